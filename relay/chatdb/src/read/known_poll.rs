//! Finds the poll to which a row belongs: the row may be a vote, a new choice, or the caption.
//!
//! A poll is a row, and each choice that is added later is another row with the whole list. A vote names
//! its options by id only, and may refer to any of the poll's rows. Every posted message about a poll refers
//! to the poll's first row.

use super::{ChatDb, KnownPoll, Payload, Row, message};

/// Most rows that are followed from a vote to the first row of its poll.
const MAX_HOPS: usize = 4;
/// Longest time between a poll and its caption.
const CAPTION_WITHIN_MICROS: i64 = 10_000_000;

impl Row {
    /// Guid of the poll to which this row adds a choice. Such a row is a poll that is associated with another row.
    pub(crate) fn guid_of_extended_poll(&self) -> Option<&str> {
        let target = message::target(self.associated_guid.as_deref()?)?.guid;
        (self.is_poll_balloon() && !self.is_vote() && target != self.guid).then_some(target)
    }

    /// Whether the row is a vote in a poll.
    pub(crate) fn is_vote(&self) -> bool {
        self.associated_type == message::VOTE
    }

    /// Whether the row is a text that may be the caption of a poll.
    fn may_be_caption(&self) -> bool {
        self.item_type == 0
            && self.associated_type == 0
            && self.balloon.is_none()
            && self.thread_originator_guid.is_none()
    }

    /// Whether this row, whose `reply_to_guid` names `poll`, is its caption. Messages sends a poll and its caption as two
    /// rows. Any text right after a poll names it, too, so sender and date decide.
    fn is_caption_of(&self, poll: &Self) -> bool {
        let same_sender =
            self.is_from_me == poll.is_from_me && (self.is_from_me || self.handle == poll.handle);
        let is_near = self
            .sent_at
            .zip(poll.sent_at)
            .is_some_and(|(caption, poll)| (0..=CAPTION_WITHIN_MICROS).contains(&(caption - poll)));
        same_sender && is_near
    }
}

impl ChatDb {
    /// The poll to which `row` belongs; `None` if it belongs to none.
    pub(super) fn poll_of(&self, row: &Row) -> rusqlite::Result<Option<KnownPoll>> {
        if row.is_vote() {
            let target = row.associated_guid.as_deref().and_then(message::target);
            return match target {
                Some(target) => self.known_poll(target.guid, row).map(Some),
                None => Ok(None),
            };
        }
        if let Some(target) = row.guid_of_extended_poll() {
            return self.known_poll(target, row).map(Some);
        }
        let (true, Some(previous_guid)) = (row.may_be_caption(), row.reply_to_guid.as_deref())
        else {
            return Ok(None);
        };
        // This quick query avoids reading the previous row, which is a poll only for one row in many thousands.
        if !self.exists(&self.queries.is_poll, [previous_guid])? {
            return Ok(None);
        }
        match self.poll_row(previous_guid)? {
            Some(poll) if poll.guid_of_extended_poll().is_none() && row.is_caption_of(&poll) => {
                self.known_poll(previous_guid, row).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The poll to which the row with the guid `target` belongs, as far as chat.db shows it. If `row` adds choices, only
    /// the choices before it are included.
    fn known_poll(&self, target: &str, row: &Row) -> rusqlite::Result<KnownPoll> {
        let mut first = target.to_owned();
        let mut poll_rows = Vec::new();
        for _ in 0..MAX_HOPS {
            let Some(poll_row) = self.poll_row(&first)? else {
                break;
            };
            let earlier = poll_row.guid_of_extended_poll().map(str::to_owned);
            poll_rows.insert(0, poll_row);
            match earlier {
                Some(earlier) => first = earlier,
                None => break,
            }
        }
        let updates = self.select(&self.queries.poll_updates, [&first], message::read)?;
        poll_rows.extend(updates.into_iter().flatten().rev());
        let mut poll = KnownPoll {
            guid: first,
            ..KnownPoll::default()
        };
        for poll_row in poll_rows {
            // For a row that adds choices, only the earlier rows of the poll count.
            let is_earlier = (poll_row.sent_at, poll_row.rowid) < (row.sent_at, row.rowid);
            let counts = row.is_vote() || is_earlier || poll_row.guid == poll.guid;
            if !counts || poll_row.guid == row.guid {
                continue;
            }
            if let Some(Payload::Poll(content)) = poll_row.payload {
                poll.title = content.title.or(poll.title);
                for option in content.options {
                    match poll.options.iter_mut().find(|known| known.id == option.id) {
                        Some(known) => *known = option,
                        None => poll.options.push(option),
                    }
                }
            }
        }
        Ok(poll)
    }

    /// The row with `guid`, if it is a poll or adds choices to one.
    fn poll_row(&self, guid: &str) -> rusqlite::Result<Option<Row>> {
        Ok(self
            .first(&self.queries.poll, [guid], message::read)?
            .flatten())
    }
}
