//! Decides which event a row is posted as, such as a message, a tapback or a change of the group. A row that is neither
//! a message nor a tapback is described in words.

use shared_protocol::{Event, Tapback, TapbackAction, TapbackKind};

use super::{address, balloon, text};
use crate::read::{Body, Row, target};
use crate::relation::{Relation, TextReaction};

/// The event of a row, and the fields of the message that depend on it.
pub(super) struct EventFields {
    pub(super) event: Event,
    pub(super) text: String,
    pub(super) tapback: Option<Tapback>,
    pub(super) reply_to: Option<String>,
    pub(super) reply_to_part: Option<i64>,
}

impl EventFields {
    fn new(event: Event, text: impl Into<String>) -> Self {
        Self {
            event,
            text: text.into(),
            tapback: None,
            reply_to: None,
            reply_to_part: None,
        }
    }
}

/// The event of `row`, and the fields that depend on it, from the content that the row has now.
pub(super) fn of(row: &Row) -> EventFields {
    let mut fields = match row.item_type {
        0 => message_fields(row),
        1..=3 => EventFields::new(Event::GroupChange, group_change(row)),
        4 if row.share_status == 0 => EventFields::new(Event::Other, "started sharing location"),
        4 => EventFields::new(Event::Other, "stopped sharing location"),
        5 => EventFields::new(Event::Other, "kept an audio message"),
        6 => EventFields::new(Event::Other, "a FaceTime or SharePlay call"),
        _ => EventFields::new(
            Event::Other,
            text_or(row, "something new in the conversation"),
        ),
    };
    if fields.reply_to.is_none() && row.thread_originator_guid.is_some() {
        fields.reply_to.clone_from(&row.thread_originator_guid);
        fields.reply_to_part = row
            .thread_originator_part
            .as_deref()
            .and_then(part_of_reply);
    }
    fields
}

/// The part number of `part:start:length`; `None` for a text of another form. -1 stands for the whole
/// message. Messages also writes it as 18446744073709551615, the unsigned number with the same bits.
fn part_of_reply(thread_part: &str) -> Option<i64> {
    let mut numbers = thread_part.split(':');
    let (part, start, length) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let is_well_formed = numbers.next().is_none()
        && [start, length]
            .iter()
            .all(|number| number.parse::<u64>().is_ok());
    let part = part
        .parse::<i64>()
        .or_else(|_| part.parse::<u64>().map(u64::cast_signed));
    part.ok().filter(|part| is_well_formed && *part >= -1)
}

/// Whether every part of the message was unsent. The column `date_retracted` is not used, since macOS 26
/// leaves it at 0. `part_count` proves it only if it is 0, since it may still count the unsent parts.
pub(super) fn is_fully_unsent(row: &Row) -> bool {
    let summary = &row.summary;
    if summary.unsent_parts.is_empty() || !row.visible_text().is_empty() {
        return false;
    }
    let names_a_file = row.body.attachment_guids().next().is_some();
    // If the row has no list of its original parts, a joined file may be a part that was not unsent.
    let has_joined_file = || {
        row.attachments
            .iter()
            .any(|attachment| !attachment.is_hidden)
    };
    let has_no_part_list = summary.original_parts.is_empty() && row.body != Body::Unreadable;
    row.part_count == 0
        || (!names_a_file && (summary.is_all_unsent() || (has_no_part_list && !has_joined_file())))
}

/// Whether a row has neither a text nor words in its balloon.
pub(super) fn has_no_words(row: &Row) -> bool {
    row.visible_text().trim().is_empty() && !balloon::has_words(row)
}

/// The fields of a row that is no change of the chat: a message, a reaction, or the content of an app.
fn message_fields(row: &Row) -> EventFields {
    if let Relation::Reaction(reaction) = &row.relation {
        return tapback_fields(tapback_of_reaction(reaction));
    }
    // 1000 is a placed sticker, 2000 to 3999 are tapbacks, 4000 is a vote.
    match row.associated_type {
        2000..=3999 => match tapback_of(row) {
            Some(native) => tapback_fields(native),
            None => fields_about_other_message(row, "an unknown reaction"),
        },
        1000 => fields_about_other_message(row, "placed a sticker"),
        _ if row.is_vote() => balloon_fields(row, "voted in a poll"),
        4001.. => fields_about_other_message(row, "an unknown reaction"),
        _ if is_fully_unsent(row) => EventFields::new(Event::Unsend, ""),
        _ => match balloon::description(row) {
            Some(description) => balloon_fields(row, description),
            // A text with a poll is the caption of that poll.
            None => EventFields {
                reply_to: row.poll.as_ref().map(|poll| poll.guid.clone()),
                ..EventFields::new(Event::Message, balloon::with_link(row, with_subject(row)))
            },
        },
    }
}

/// The fields of a row with a balloon. If the row votes in a poll or adds a choice to it, `reply_to` is the first row of
/// that poll.
fn balloon_fields(row: &Row, description: &str) -> EventFields {
    let target = row.associated_guid.as_deref().and_then(target);
    let target = target.filter(|_| row.is_vote() || row.guid_of_extended_poll().is_some());
    let poll = row.poll.as_ref().map(|poll| poll.guid.as_str());
    EventFields {
        reply_to: poll.or(target.map(|target| target.guid)).map(str::to_owned),
        ..EventFields::new(Event::Other, balloon::text_or_description(row, description))
    }
}

/// The visible text, or the description if there is none.
fn text_or(row: &Row, description: &str) -> String {
    let text = row.visible_text();
    if text.trim().is_empty() {
        description.to_owned()
    } else {
        text
    }
}

/// The visible text, after the subject line if there is one.
fn with_subject(row: &Row) -> String {
    let text = row.visible_text();
    let text = if text.trim().is_empty() && row.body != Body::Absent {
        String::new()
    } else {
        text
    };
    match row.subject.as_deref() {
        Some(subject) if text.is_empty() => subject.to_owned(),
        Some(subject) => format!("{subject}\n{text}"),
        None => text,
    }
}

/// The fields of a row that belongs to another message, such as a sticker on it. The text of such a row quotes the
/// other message and would read like the sender's own words, so the description is posted instead.
fn fields_about_other_message(row: &Row, description: &str) -> EventFields {
    let target = row.associated_guid.as_deref().and_then(target);
    EventFields {
        reply_to: target.map(|target| target.guid.to_owned()),
        ..EventFields::new(Event::Other, description)
    }
}

/// The fields of a reaction. The text of its row quotes the other message (`Loved "…"`), so it is left out.
fn tapback_fields(tapback: Tapback) -> EventFields {
    EventFields {
        tapback: Some(tapback),
        ..EventFields::new(Event::Tapback, "")
    }
}

/// The tapback of a reaction that came as a text.
fn tapback_of_reaction(reaction: &TextReaction) -> Tapback {
    Tapback {
        action: reaction.action,
        kind: reaction.kind,
        emoji: reaction.emoji.as_deref().map(text::clipped_name),
        target_guid: reaction.target.as_deref().map(address::guid),
        target_part: None,
    }
}

/// The tapback of a row with an `associated_type` of 2000 to 3999; `None` for an unknown kind.
fn tapback_of(row: &Row) -> Option<Tapback> {
    let action = if row.associated_type < 3000 {
        TapbackAction::Added
    } else {
        TapbackAction::Removed
    };
    let kind = match row.associated_type % 1000 {
        0 => TapbackKind::Love,
        1 => TapbackKind::Like,
        2 => TapbackKind::Dislike,
        3 => TapbackKind::Laugh,
        4 => TapbackKind::Emphasize,
        5 => TapbackKind::Question,
        6 => TapbackKind::Emoji,
        7 => TapbackKind::Sticker,
        _ => return None,
    };
    let target = row.associated_guid.as_deref().and_then(target);
    Some(Tapback {
        action,
        kind,
        emoji: row.associated_emoji.as_deref().map(text::clipped_name),
        target_guid: target.as_ref().map(|target| address::guid(target.guid)),
        target_part: target.and_then(|target| target.part),
    })
}

/// Describes a change of the group in words.
fn group_change(row: &Row) -> String {
    let who = row.other_handle.as_deref().unwrap_or("someone");
    match (row.item_type, row.group_action_type) {
        (1, 0) if row.other_handle.is_some() && row.other_handle == row.handle => {
            "changed their number".to_owned()
        }
        (1, 0) => format!("added {who} to the group"),
        (1, 1) => format!("removed {who} from the group"),
        (2, _) => match &row.group_title {
            Some(title) => format!("named the group \u{201c}{title}\u{201d}"),
            None => "removed the group's name".to_owned(),
        },
        (3, 0) => "left the group".to_owned(),
        (3, 1) => "set the group's photo".to_owned(),
        (3, 2) => "removed the group's photo".to_owned(),
        _ => "changed the group".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields_of(associated_type: i64, associated: &str) -> EventFields {
        of(&Row {
            associated_type,
            associated_guid: Some(associated.to_owned()),
            text: Some("Loved \u{201c}hi\u{201d}".to_owned()),
            ..Row::default()
        })
    }

    #[test]
    fn a_row_about_another_message_never_posts_the_text_that_it_quotes() {
        for code in (2000..=2007).chain(3000..=3007) {
            let fields = fields_of(code, "p:0/AAAA");
            assert_eq!(fields.event, Event::Tapback, "{code}");
            assert_eq!(fields.text, "", "{code}");
        }
        for code in [1000, 2008, 3999, 4001, 9999] {
            let fields = fields_of(code, "p:0/AAAA");
            assert_eq!(fields.event, Event::Other, "{code}");
            assert!(!fields.text.contains("hi"), "{code}: {}", fields.text);
            assert_eq!(fields.reply_to.as_deref(), Some("AAAA"), "{code}");
        }
        assert_eq!(fields_of(4000, "p:0/AAAA").event, Event::Other);
        for code in [0, 2, 3] {
            assert_eq!(fields_of(code, "AAAA").event, Event::Message, "{code}");
        }
    }

    #[test]
    fn the_target_of_a_tapback_is_parsed() {
        let of = |associated| {
            fields_of(2000, associated)
                .tapback
                .map(|t| (t.target_guid, t.target_part))
        };
        assert_eq!(of("p:3/AAAA"), Some((Some("AAAA".to_owned()), Some(3))));
        assert_eq!(of("p:-1/AAAA"), Some((Some("AAAA".to_owned()), Some(-1))));
        assert_eq!(of("bp:AAAA"), Some((Some("AAAA".to_owned()), None)));
        assert_eq!(of("AAAA"), Some((Some("AAAA".to_owned()), None)));
        for nothing in ["p:0/", "p:0", "bp:", ""] {
            assert_eq!(of(nothing), Some((None, None)), "{nothing:?}");
        }
    }
}
