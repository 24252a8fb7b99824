//! A row over which the relay panics is quarantined, and the other rows are posted.

use messages_stand_in::{Filter, MessageGuids};

use super::*;
use crate::pipeline::row_guard::panic_at;
use crate::pipeline::{ReleaseAs, ReleaseOutcome, discard, release};
use crate::state::filtered::FilteredMessage;
use crate::state::own_addresses;

fn release_held(mac: &Mac, id: i64) -> ReleaseOutcome {
    let now = mac.clock.now();
    let relay = RelayName::default();
    mac.state()
        .write(|tx| release(tx, &relay, id, ReleaseAs::Auto, now))
        .unwrap()
}

#[test]
fn a_row_that_panics_at_any_step_is_quarantined_and_the_cursor_advances() {
    for steps in [
        &["find_own_addresses"][..],
        &["name_group"],
        &["examine"],
        &["decide"],
    ] {
        let step = steps[0];
        let mut mac = Mac::new();
        mac.receive(ADA, "before");
        let bad = mac.receive(ADA, "the bad one");
        mac.receive(ADA, "after");
        mac.receive(BOB, "elsewhere");
        panic_at(bad, steps);
        mac.run_relay();
        assert_eq!(mac.texts(), ["before", "after", "elsewhere"], "{step}");
        let held = mac.quarantined();
        assert_eq!(held.len(), 1, "{step}");
        assert_eq!(held[0].reason, quarantine::PANICKED);
        assert_eq!(mac.outcome(bad), Some(seen::RowOutcome::Quarantined));
        // The cursor has passed the row, so a relay that starts again reads later rows.
        mac.receive(ADA, "later");
        mac.run_relay();
        assert_eq!(mac.texts().len(), 4, "{step}");
        assert_eq!(mac.quarantined().len(), 1, "{step}");
        panic_at(bad, &[]);
    }
}

#[test]
fn a_panic_over_a_waiting_row_affects_no_other_row() {
    let mut mac = Mac::new();
    let (chat, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    let message = NewMessage::incoming(ada, now).text("the bad one");
    let bad = mac.messages.insert_message(&message).unwrap();
    mac.run_relay();
    assert_eq!(mac.waiting_reasons(), ["no_chat"]);
    mac.messages.join(chat, bad).unwrap();
    mac.receive(BOB, "another");
    panic_at(bad, &["decide"]);
    mac.run_relay();
    assert_eq!(mac.waiting_reasons(), [""; 0]);
    assert_eq!(mac.texts(), ["another"]);
    assert_eq!(mac.quarantined().len(), 1);
    panic_at(bad, &[]);
}

#[test]
fn a_panicked_row_can_be_released_only_after_a_relay_without_the_bug_has_read_it() {
    let mut mac = Mac::new();
    let bad = mac.receive(ADA, "the bad one");
    panic_at(bad, &["decide", "change"]);
    mac.run_relay();
    let id = mac.quarantined()[0].id;
    assert_eq!(release_held(&mac, id), ReleaseOutcome::Panicked);
    mac.run_relay();
    assert_eq!(
        release_held(&mac, id),
        ReleaseOutcome::Panicked,
        "the relay still has the bug"
    );
    panic_at(bad, &[]);
    mac.run_relay();
    assert_eq!(release_held(&mac, id), ReleaseOutcome::Done);
    assert_eq!(mac.texts(), ["the bad one"]);
}

#[test]
fn a_panicked_row_can_be_discarded() {
    let mut mac = Mac::new();
    let bad = mac.receive(ADA, "the bad one");
    panic_at(bad, &["decide"]);
    mac.run_relay();
    panic_at(bad, &[]);
    let id = mac.quarantined()[0].id;
    assert!(mac.state().write(|tx| discard(tx, id)).unwrap());
    mac.run_relay();
    assert!(mac.quarantined().is_empty() && mac.texts().is_empty());
}

#[test]
fn a_change_that_panics_is_skipped_and_other_changes_are_posted() {
    let mut mac = Mac::new();
    let (bad, good) = (mac.receive(ADA, "one"), mac.receive(BOB, "two"));
    mac.run_relay();
    for row in [bad, good] {
        mac.messages.edit(row, "edited", mac.now()).unwrap();
    }
    panic_at(bad, &["change"]);
    mac.run_relay();
    assert_eq!(mac.texts(), ["one", "two", "edited"]);
    panic_at(bad, &[]);
    mac.run_relay();
    assert_eq!(
        mac.texts(),
        ["one", "two", "edited", "edited"],
        "at the next start"
    );
}

#[test]
fn a_first_start_finds_own_addresses_in_the_rows_that_do_not_panic() {
    let mut mac = Mac::before_first_run(Style::Ventura);
    mac.receive(ADA, "one");
    let bad = mac.receive(BOB, "the bad one");
    panic_at(bad, &["find_own_addresses"]);
    mac.run_relay();
    panic_at(bad, &[]);
    let found = mac.state().read(own_addresses::found).unwrap();
    assert_eq!(found.unwrap().addresses, [OWN]);
}

#[test]
fn after_a_rebuild_each_held_message_is_listed_once_although_one_panics() {
    let mut mac = Mac::new();
    let (chat, _) = mac.direct_chat(ADA);
    mac.messages
        .set_chat_column(chat, "is_filtered", Filter::SPAM.0)
        .unwrap();
    for text in ["the bad one", "the good one"] {
        mac.receive(ADA, text);
        mac.run_relay();
        mac.advance(secs(60));
    }
    let held = mac.state().read(filtered_rows::list).unwrap();
    mac.advance(hours(24 * 30));
    mac.messages.rebuild(10, MessageGuids::Renewed).unwrap();
    panic_at(held[0].id, &["find"]);
    mac.run_relay();
    panic_at(held[0].id, &[]);
    let guids =
        |mac: &Mac| -> Vec<String> { mac.filtered().into_iter().map(|(guid, _)| guid).collect() };
    let found = guids(&mac);
    assert_eq!(found.len(), 2, "each message is listed once");
    let has_old_guid = |held: &FilteredMessage| found.contains(&held.guid);
    assert!(!held.iter().any(has_old_guid), "both have their new guids");
    mac.run_relay();
    assert_eq!(guids(&mac), found, "also at the next start");
}
