//! Rows that Apple's filters or the owner's blocking hold back, by marks in chat.db. They are listed without a
//! limit of time, and are posted once when their mark is lifted.

mod changes;
mod copies;
mod earlier;
mod interplay;
mod owner;
mod passes;

use messages_stand_in::Filter;

use super::*;
use crate::state::seen::RowOutcome;

/// The mark that holds a row back.
#[derive(Clone, Copy, Debug)]
enum FilterMark {
    /// `chat.is_filtered`
    Chat(Filter),
    /// `chat.is_blackholed`
    Blocked,
    /// `message.is_spam`
    Spam,
    /// The filter action of the row (macOS 27).
    Action(i64),
}

/// A category of iOS 26 in `chat.is_filtered`.
const CATEGORY: Filter = Filter(3);

/// The marks, each with the reason that the list shows for it.
const MARKS: [(FilterMark, &str); 8] = [
    (FilterMark::Chat(Filter::SPAM), "spam"),
    (FilterMark::Chat(CATEGORY), "category"),
    (FilterMark::Chat(Filter(68)), "category"),
    (FilterMark::Blocked, "blocked"),
    (FilterMark::Spam, "spam"),
    (FilterMark::Action(2), "junk"),
    (FilterMark::Action(3), "promotion"),
    (FilterMark::Action(4), "transaction"),
];

impl FilterMark {
    fn set(self, mac: &mut Mac, row: i64) {
        self.write(mac, row, true);
    }

    /// Sets a value with which the row is posted. In the two columns of codes this is 1: an unknown sender,
    /// and a row that Messages has let through.
    fn lift(self, mac: &mut Mac, row: i64) {
        self.write(mac, row, false);
    }

    fn write(self, mac: &mut Mac, row: i64, is_set: bool) {
        let chat: i64 = mac
            .messages
            .raw()
            .query_row(
                "select chat_id from chat_message_join where message_id = ?1",
                [row],
                |row| row.get(0),
            )
            .unwrap();
        let messages = &mut mac.messages;
        match self {
            Self::Chat(filter) => {
                let filter = if is_set {
                    filter
                } else {
                    Filter::UNKNOWN_SENDER
                };
                messages.set_chat_column(chat, "is_filtered", filter.0)
            }
            Self::Blocked => messages.set_chat_column(chat, "is_blackholed", i64::from(is_set)),
            Self::Spam => messages.set_column(row, "is_spam", i64::from(is_set)),
            Self::Action(code) => messages.set_filter_action(row, if is_set { code } else { 1 }),
        }
        .unwrap();
    }
}

/// A message from Ada that a filter holds back; the relay has seen it.
fn hold_back(mac: &mut Mac, mark: FilterMark, text: &str) -> i64 {
    let row = mac.receive(ADA, text);
    mark.set(mac, row);
    mac.run_relay();
    row
}

/// A direct chat that Messages has filtered, and the handle of its peer.
fn filtered_chat(mac: &mut Mac, filter: Filter, address: &str) -> (i64, i64) {
    let chat = Chat {
        filter,
        ..Chat::direct(address)
    };
    let chat = mac.messages.insert_chat(&chat).unwrap();
    (chat, mac.messages.ensure_handle(address, "SMS").unwrap())
}

#[test]
fn a_held_message_is_listed_with_its_reason_and_posted_once_when_its_mark_is_lifted() {
    for (mark, reason) in MARKS {
        let mut mac = Mac::before_first_run(Style::Macos27);
        mac.run_relay();
        let row = hold_back(&mut mac, mark, "hello");
        let guid = mac.messages.guid_of(row).unwrap();
        assert_eq!(mac.filtered(), [(guid, reason.to_owned())], "{mark:?}");
        assert_eq!(mac.outcome(row), Some(RowOutcome::Spam));
        mac.advance(hours(3));
        mac.run_relay();
        assert!(mac.posted().is_empty(), "{mark:?}");
        mark.lift(&mut mac, row);
        mac.run_relay();
        mac.run_relay();
        let posted = mac.posted();
        assert_eq!(posted.len(), 1, "{mark:?}");
        assert_eq!(posted[0].text, "hello");
        assert!(
            !posted[0].is_backfill,
            "three hours old, and new when it came"
        );
        assert!(mac.filtered().is_empty());
        assert_eq!(mac.outcome(row), Some(RowOutcome::Forwarded));
        // A mark that is set and lifted again posts nothing more.
        mark.set(&mut mac, row);
        mac.run_relay();
        mark.lift(&mut mac, row);
        mac.run_relay();
        assert_eq!(mac.posted().len(), 1, "{mark:?}");
    }
}

#[test]
fn a_mark_set_back_to_null_or_zero_is_lifted() {
    for value in [Some(Filter::KNOWN.0), Some(Filter::UNKNOWN_SENDER.0), None] {
        let mut mac = Mac::new();
        let row = hold_back(&mut mac, FilterMark::Chat(Filter::SPAM), "hello");
        let raw = mac.messages.raw();
        raw.execute("update chat set is_filtered = ?1", [value])
            .unwrap();
        mac.run_relay();
        assert_eq!(mac.texts(), ["hello"], "{value:?}");
        assert_eq!(mac.outcome(row), Some(RowOutcome::Forwarded));
    }
}

#[test]
fn a_message_is_held_until_its_last_mark_is_lifted() {
    let mut mac = Mac::before_first_run(Style::Macos27);
    mac.run_relay();
    let row = mac.receive(ADA, "hello");
    let marks = [
        FilterMark::Spam,
        FilterMark::Action(2),
        FilterMark::Blocked,
        FilterMark::Chat(Filter::SPAM),
    ];
    for mark in marks {
        mark.set(&mut mac, row);
    }
    mac.run_relay();
    for mark in marks {
        assert!(mac.posted().is_empty(), "before {mark:?} is lifted");
        mark.lift(&mut mac, row);
        mac.run_relay();
    }
    assert_eq!(mac.texts(), ["hello"]);
}

#[test]
fn a_held_message_is_backfill_if_lifted_more_than_twelve_hours_after_its_date() {
    for (age, is_old) in [(hours(11), false), (hours(13), true), (hours(2_000), true)] {
        let mut mac = Mac::new();
        mac.prove_network();
        let row = hold_back(&mut mac, FilterMark::Chat(Filter::SPAM), "hello");
        mac.advance(age);
        mac.prove_network();
        // After more than 90 days the record of the row is removed, and the list entry stays.
        mac.sweep();
        FilterMark::Chat(Filter::SPAM).lift(&mut mac, row);
        mac.run_relay();
        mac.sweep();
        mac.run_relay();
        let posted = mac.posted();
        assert_eq!(posted.len(), 1, "{age:?}");
        assert_eq!(posted[0].is_backfill, is_old, "{age:?}");
    }
}

#[test]
fn a_held_message_that_was_doubtful_when_it_arrived_is_posted_as_backfill() {
    let mut mac = Mac::new();
    mac.advance_online(hours(5));
    mac.receive(BOB, "newer");
    mac.run_relay();
    mac.advance_online(secs(900));
    // A single late row older than the newest message. Without the filter it would be quarantined.
    let sent = mac.ago(hours(2));
    let row = mac.receive_dated(ADA, "hello", sent);
    FilterMark::Chat(Filter::SPAM).set(&mut mac, row);
    mac.run_relay();
    FilterMark::Chat(Filter::SPAM).lift(&mut mac, row);
    mac.run_relay();
    let posted = mac.posted();
    assert_eq!(posted.len(), 2);
    assert!(posted[1].is_backfill);
}

#[test]
fn messages_of_one_chat_that_are_lifted_together_are_posted_in_the_order_of_their_arrival() {
    let mut mac = Mac::new();
    let (junk, handle) = filtered_chat(&mut mac, Filter::SPAM, "+15550100009");
    let (other, ben) = filtered_chat(&mut mac, Filter::SPAM, "+15550100008");
    for n in 0..300 {
        mac.advance(secs(1));
        let now = mac.now();
        let message = |handle, text: String| NewMessage::incoming(handle, now).text(text);
        mac.messages
            .deliver(junk, &message(handle, format!("{n}")))
            .unwrap();
        mac.messages
            .deliver(other, &message(ben, format!("other {n}")))
            .unwrap();
    }
    mac.run_relay();
    assert_eq!(mac.filtered().len(), 600);
    mac.messages
        .set_chat_column(junk, "is_filtered", Filter::KNOWN.0)
        .unwrap();
    mac.run_relay();
    let expected: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    assert_eq!(mac.texts(), expected);
    assert_eq!(mac.filtered().len(), 300);
}

#[test]
fn held_messages_are_posted_once_the_owner_includes_filtered_ones() {
    let mut mac = Mac::new();
    for mark in [
        FilterMark::Chat(Filter::SPAM),
        FilterMark::Blocked,
        FilterMark::Spam,
    ] {
        let row = mac.receive(ADA, "hello");
        mark.set(&mut mac, row);
        mac.run_relay();
        mac.advance(hours(10));
    }
    assert_eq!(mac.filtered().len(), 3);
    let everything = Options {
        relay_spam: true,
        ..Options::default()
    };
    mac.start(FirstRun::Now, everything);
    mac.run_relay();
    mac.run_relay();
    let posts: Vec<_> = mac.posted().iter().map(|m| m.is_backfill).collect();
    assert_eq!(posts, [true, true, false]);
    assert!(mac.filtered().is_empty());
}

#[test]
fn an_own_row_is_never_held_back() {
    let mut mac = Mac::new();
    let (chat, _) = filtered_chat(&mut mac, Filter::SPAM, "+15550100009");
    let now = mac.now();
    mac.messages
        .deliver(chat, &NewMessage::outgoing(now).text("mine"))
        .unwrap();
    // An own message that first looks like a received one.
    let flips = mac
        .messages
        .deliver(
            chat,
            &NewMessage::incoming(NO_HANDLE, now).text("mine, too"),
        )
        .unwrap();
    mac.run_relay();
    mac.advance(Duration::from_millis(400));
    mac.messages.flip_from_me(flips).unwrap();
    mac.run_relay();
    assert_eq!(mac.texts(), ["mine", "mine, too"]);
    assert!(mac.posted().iter().all(|message| message.from_owner));
    assert!(mac.filtered().is_empty());
}

#[test]
fn a_message_sent_before_the_first_run_is_not_listed() {
    let mut mac = Mac::new();
    mac.advance(secs(60));
    let sent = mac.ago(hours(1));
    let row = mac.receive_dated(ADA, "old", sent);
    FilterMark::Chat(Filter::SPAM).set(&mut mac, row);
    mac.run_relay();
    assert_eq!(mac.outcome(row), Some(RowOutcome::Recorded));
    FilterMark::Chat(Filter::SPAM).lift(&mut mac, row);
    mac.run_relay();
    assert!(mac.filtered().is_empty() && mac.posted().is_empty());
}
