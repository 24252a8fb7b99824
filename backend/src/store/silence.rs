//! The two times that replace a person's deleted messages when a long silence is looked for.
//!
//! After a silence of [`Store::SILENCE`] a number is taken to have a new owner. The times of the person's messages
//! show the silence. Retention deletes messages, so it keeps two times in the person's row: the time of the last
//! deleted message, and that of the deleted message that ended the last long silence. The two times and the
//! remaining messages show the same silences as all messages would.

use sqlx::FromRow;

use super::Store;
use crate::clock::Timestamp;

/// The columns of a person's row that say when the person was in contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRow)]
#[expect(clippy::struct_field_names, reason = "the names of the columns")]
pub(super) struct Contacts {
    created_at: Timestamp,
    last_sign_in_at: Option<Timestamp>,
    /// The time of the last deleted message.
    pub(super) heard_at: Option<Timestamp>,
    /// The time of the deleted message that ended the last long silence.
    pub(super) silence_ended_at: Option<Timestamp>,
}

impl Contacts {
    /// Adds the time at which a message that is deleted was stored. Messages are added in the order of these times; a
    /// time before the last one changes nothing.
    pub(super) fn add(&mut self, stored_at: Timestamp) {
        let last = self.heard_at.unwrap_or(self.created_at);
        if stored_at < last {
            return;
        }
        let signed_in = self.last_sign_in_at.filter(|at| *at <= stored_at);
        let last_contact = signed_in.map_or(last, |at| last.max(at));
        if stored_at >= last_contact.plus(Store::SILENCE) {
            self.silence_ended_at = Some(stored_at);
        }
        self.heard_at = Some(stored_at);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BEGAN: Timestamp = Timestamp::from_secs(1_000_000_000);

    fn day(days: u64) -> Timestamp {
        BEGAN.plus(Duration::from_hours(24 * days))
    }

    fn contacts(last_sign_in_at: Option<Timestamp>, days: &[u64]) -> Contacts {
        let mut contacts = Contacts {
            created_at: BEGAN,
            last_sign_in_at,
            heard_at: None,
            silence_ended_at: None,
        };
        for days in days {
            contacts.add(day(*days));
        }
        contacts
    }

    #[test]
    fn a_long_time_between_two_messages_is_a_silence() {
        let silence_ended = |days: &[u64]| contacts(None, days).silence_ended_at;
        assert_eq!(silence_ended(&[]), None);
        assert_eq!(silence_ended(&[0, 100, 200, 300, 400]), None);
        assert_eq!(silence_ended(&[100, 279]), None);
        assert_eq!(silence_ended(&[100, 280]), Some(day(280)));
        assert_eq!(
            silence_ended(&[180]),
            Some(day(180)),
            "since the person was first seen"
        );
        assert_eq!(
            silence_ended(&[10, 300, 310, 600, 610]),
            Some(day(600)),
            "the last silence"
        );
    }

    #[test]
    fn a_sign_in_between_two_messages_interrupts_a_silence() {
        assert_eq!(contacts(Some(day(150)), &[10, 250]).silence_ended_at, None);
        let later = contacts(Some(day(400)), &[10, 250]);
        assert_eq!(
            later.silence_ended_at,
            Some(day(250)),
            "the sign-in came later"
        );
        assert_eq!(later.heard_at, Some(day(250)));
    }

    #[test]
    fn an_earlier_message_does_not_replace_a_later_one() {
        let mut contacts = contacts(None, &[10, 20]);
        contacts.add(day(15));
        assert_eq!(contacts.heard_at, Some(day(20)));
        assert_eq!(contacts.silence_ended_at, None);
    }
}
