//! Messages that the owner releases or discards, before or after their mark is lifted.

use super::*;
use crate::pipeline::{ReleaseAs, ReleaseOutcome, discard, release};

pub(super) fn first_filtered_id(mac: &Mac) -> i64 {
    mac.state().read(filtered_rows::list).unwrap()[0].id
}

pub(super) fn release_as(mac: &Mac, id: i64, kind: ReleaseAs) -> ReleaseOutcome {
    let now = mac.clock.now();
    mac.state()
        .write(|tx| release(tx, &RelayName::default(), id, kind, now))
        .unwrap()
}

/// Releases as `quarantine release --all-filtered` does.
pub(super) fn release_all(mac: &Mac) -> Vec<ReleaseOutcome> {
    let ids = mac
        .state()
        .read(|state| filtered_rows::ids_after(state, 0, u32::MAX))
        .unwrap();
    let release = |id| release_as(mac, id, ReleaseAs::Auto);
    ids.into_iter().map(release).collect()
}

#[test]
fn a_released_message_is_posted_once_as_live_or_backfill_although_its_mark_is_lifted_later() {
    let old = hours(13);
    for (kind, age, is_backfill) in [
        (ReleaseAs::Auto, hours(1), false),
        (ReleaseAs::Auto, old, true),
        (ReleaseAs::Live, old, false),
        (ReleaseAs::Backfill, hours(1), true),
    ] {
        let mut mac = Mac::new();
        let row = hold_back(&mut mac, FilterMark::Chat(Filter::SPAM), "hello");
        mac.advance(age);
        let id = first_filtered_id(&mac);
        assert_eq!(release_as(&mac, id, kind), ReleaseOutcome::Done);
        assert_eq!(release_as(&mac, id, kind), ReleaseOutcome::NotHeld);
        FilterMark::Chat(Filter::SPAM).lift(&mut mac, row);
        mac.run_relay();
        let posted = mac.posted();
        assert_eq!(posted.len(), 1);
        assert_eq!(posted[0].is_backfill, is_backfill, "{kind:?} after {age:?}");
        mac.messages.edit(row, "hello!", mac.now()).unwrap();
        if age < old {
            mac.run_relay();
            assert_eq!(mac.events(), [(Event::Message, 0), (Event::Edit, 2)]);
        }
    }
}

#[test]
fn a_message_that_the_owner_drops_is_never_posted() {
    let mut mac = Mac::new();
    let row = hold_back(&mut mac, FilterMark::Chat(Filter::SPAM), "hello");
    let id = first_filtered_id(&mac);
    assert!(mac.state().write(|tx| discard(tx, id)).unwrap());
    assert!(!mac.state().write(|tx| discard(tx, id)).unwrap());
    FilterMark::Chat(Filter::SPAM).lift(&mut mac, row);
    mac.run_relay();
    mac.start(FirstRun::Now, Options::default());
    mac.run_relay();
    assert!(mac.posted().is_empty() && mac.filtered().is_empty());
    assert_eq!(mac.outcome(row), Some(RowOutcome::Dropped));
}

#[test]
fn the_owner_can_decide_after_the_record_of_the_row_was_removed() {
    for releases in [true, false] {
        let mut mac = Mac::new();
        mac.prove_network();
        let row = hold_back(&mut mac, FilterMark::Chat(Filter::SPAM), "hello");
        mac.advance(hours(24 * 100));
        mac.prove_network();
        mac.sweep();
        assert_eq!(mac.outcome(row), None);
        let id = first_filtered_id(&mac);
        if releases {
            assert_eq!(release_as(&mac, id, ReleaseAs::Auto), ReleaseOutcome::Done);
        } else {
            assert!(mac.state().write(|tx| discard(tx, id)).unwrap());
        }
        FilterMark::Chat(Filter::SPAM).lift(&mut mac, row);
        mac.sweep();
        mac.run_relay();
        assert_eq!(mac.posted().len(), usize::from(releases));
    }
}

#[test]
fn a_row_that_was_not_read_yet_is_not_released() {
    let mut mac = Mac::new();
    hold_back(&mut mac, FilterMark::Chat(Filter::SPAM), "hello");
    mac.state()
        .write(|tx| tx.execute("update filtered set body = null", []))
        .unwrap();
    let id = first_filtered_id(&mac);
    assert_eq!(
        release_as(&mac, id, ReleaseAs::Auto),
        ReleaseOutcome::NotReadYet
    );
    mac.run_relay();
    assert_eq!(release_as(&mac, id, ReleaseAs::Auto), ReleaseOutcome::Done);
    assert_eq!(mac.texts(), ["hello"]);
}

#[test]
fn the_owners_release_posts_one_of_several_held_copies() {
    for whole_second in [true, false] {
        let mut mac = Mac::new();
        mac.advance(Duration::from_micros(if whole_second {
            0
        } else {
            250_001
        }));
        let sent = mac.now();
        let (chat, _) = mac.direct_chat(ADA);
        mac.messages
            .set_chat_column(chat, "is_filtered", Filter::SPAM.0)
            .unwrap();
        mac.receive_dated(ADA, "hello", sent);
        mac.run_relay();
        mac.advance_online(hours(26));
        let copy = mac.receive_dated(ADA, "hello", sent);
        mac.run_relay();
        let released = release_all(&mac);
        assert_eq!(
            released,
            [ReleaseOutcome::Done, ReleaseOutcome::PostedBefore],
            "{whole_second}"
        );
        assert_eq!(mac.texts(), ["hello"]);
        assert!(mac.filtered().is_empty());
        assert_eq!(mac.outcome(copy), Some(RowOutcome::Twin));
    }
}

#[test]
fn the_owner_can_drop_one_of_two_equal_messages_and_release_the_other() {
    let mut mac = Mac::new();
    let sent = mac.now();
    let (chat, _) = mac.direct_chat(ADA);
    mac.messages
        .set_chat_column(chat, "is_filtered", Filter::SPAM.0)
        .unwrap();
    mac.receive_dated(ADA, "ok", sent);
    mac.run_relay();
    mac.advance_online(hours(26));
    mac.receive_dated(ADA, "ok", sent);
    mac.run_relay();
    let first = first_filtered_id(&mac);
    assert!(mac.state().write(|tx| discard(tx, first)).unwrap());
    let second = first_filtered_id(&mac);
    assert_eq!(
        release_as(&mac, second, ReleaseAs::Auto),
        ReleaseOutcome::Done
    );
    assert_eq!(mac.texts(), ["ok"]);
}
