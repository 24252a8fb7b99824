//! When a person was heard of, once the messages that told it are gone.
//!
//! A number that was silent for [`Store::SILENCE`] has a new owner, and the silence is found in the messages.
//! Retention removes messages, so it leaves two times on the person's row: that of the last message that it
//! removed, and that of the message which ended the last long silence among those. Together with the messages
//! that are left they tell of a silence exactly what all messages would.

use sqlx::FromRow;

use super::Store;
use crate::clock::Timestamp;

/// What is known of a person's contacts beside the messages that are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRow)]
#[expect(clippy::struct_field_names, reason = "the names of the columns")]
pub(super) struct Contacts {
    created_at: Timestamp,
    last_sign_in_at: Option<Timestamp>,
    pub(super) heard_at: Option<Timestamp>,
    pub(super) silence_ended_at: Option<Timestamp>,
}

impl Contacts {
    /// Notes a message that is removed, each after the earlier ones.
    pub(super) fn note(&mut self, met_at: Timestamp) {
        let known = self.heard_at.unwrap_or(self.created_at);
        if met_at < known {
            return;
        }
        let signed_in = self.last_sign_in_at.filter(|at| *at <= met_at);
        let before = signed_in.map_or(known, |at| known.max(at));
        if met_at >= before.plus(Store::SILENCE) {
            self.silence_ended_at = Some(met_at);
        }
        self.heard_at = Some(met_at);
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

    fn noted(last_sign_in_at: Option<Timestamp>, days: &[u64]) -> Contacts {
        let mut contacts = Contacts {
            created_at: BEGAN,
            last_sign_in_at,
            heard_at: None,
            silence_ended_at: None,
        };
        for days in days {
            contacts.note(day(*days));
        }
        contacts
    }

    #[test]
    fn a_silence_is_one_between_two_messages_that_follow_each_other() {
        let of = |days: &[u64]| noted(None, days).silence_ended_at;
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[0, 100, 200, 300, 400]), None);
        assert_eq!(of(&[100, 279]), None);
        assert_eq!(of(&[100, 280]), Some(day(280)));
        assert_eq!(
            of(&[180]),
            Some(day(180)),
            "since the person was first seen"
        );
        assert_eq!(
            of(&[10, 300, 310, 600, 610]),
            Some(day(600)),
            "the last one"
        );
    }

    #[test]
    fn a_sign_in_breaks_a_silence() {
        assert_eq!(noted(Some(day(150)), &[10, 250]).silence_ended_at, None);
        let later = noted(Some(day(400)), &[10, 250]);
        assert_eq!(later.silence_ended_at, Some(day(250)), "it ended before");
        assert_eq!(later.heard_at, Some(day(250)));
    }

    #[test]
    fn what_was_noted_stays_the_latest() {
        let mut contacts = noted(None, &[10, 20]);
        contacts.note(day(15));
        assert_eq!(contacts.heard_at, Some(day(20)));
        assert_eq!(contacts.silence_ended_at, None);
    }
}
