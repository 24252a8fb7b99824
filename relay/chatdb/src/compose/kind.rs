//! What a row is: a message, a tapback, a change of the group, or something else with a description.

use shared_protocol::{Event, Tapback, TapbackAction, TapbackKind};

use super::{address, text};
use crate::read::{Body, Row};

/// The kind of a row.
pub(super) struct Kind {
    pub(super) event: Event,
    pub(super) text: String,
    pub(super) tapback: Option<Tapback>,
    pub(super) reply_to: Option<String>,
}

impl Kind {
    fn new(event: Event, text: impl Into<String>) -> Self {
        Self {
            event,
            text: text.into(),
            tapback: None,
            reply_to: None,
        }
    }
}

pub(super) fn of(row: &Row) -> Kind {
    let mut kind = match row.item_type {
        0 => message(row),
        1..=3 => Kind::new(Event::GroupChange, group_change(row)),
        4 if row.share_status == 0 => Kind::new(Event::Other, "started sharing location"),
        4 => Kind::new(Event::Other, "stopped sharing location"),
        5 => Kind::new(Event::Other, "kept an audio message"),
        6 => Kind::new(Event::Other, "a FaceTime or SharePlay call"),
        _ => Kind::new(
            Event::Other,
            described(row, "something new in the conversation"),
        ),
    };
    if kind.reply_to.is_none() {
        kind.reply_to.clone_from(&row.thread_originator_guid);
    }
    kind
}

/// Whether nothing of the message is left. `date_retracted` does not tell: macOS 26 leaves it at 0.
pub(super) fn is_fully_unsent(row: &Row) -> bool {
    !row.summary.unsent_parts.is_empty() && row.part_count == 0 && row.visible_text().is_empty()
}

fn message(row: &Row) -> Kind {
    match row.associated_type {
        2000..=3999 => match tapback(row) {
            Some(tapback) => {
                // Its text says `Loved "…"`, which a reader of texts would take for one.
                Kind {
                    tapback: Some(tapback),
                    ..Kind::new(Event::Tapback, "")
                }
            }
            None => associated(row, "an unknown reaction"),
        },
        1000 => associated(row, "placed a sticker"),
        4000 => associated(row, "voted in a poll"),
        4001.. => associated(row, "an unknown reaction"),
        _ if is_fully_unsent(row) => Kind::new(Event::Unsend, ""),
        _ => balloon(row),
    }
}

fn balloon(row: &Row) -> Kind {
    let description = match row.balloon.as_deref() {
        None => None,
        Some(_) if row.is_link_balloon() => None,
        Some(_) if row.is_poll_balloon() => Some("a poll"),
        Some(id) if id.contains("Handwriting") => Some("a handwritten message"),
        Some(id) if id.contains("DigitalTouch") => Some("a Digital Touch message"),
        Some(id) if id.contains("SafetyMonitor") => Some("a Check In"),
        Some(id) if id.contains("PeerPayment") => Some("an Apple Pay message"),
        Some(id) if id.contains("findmy") || id.contains("FindMy") => Some("a location"),
        Some(_) => Some("a message of an app"),
    };
    match description {
        Some(description) => Kind::new(Event::Other, described(row, description)),
        None => Kind::new(Event::Message, with_subject(row)),
    }
}

/// The visible text, or the description where there is none.
fn described(row: &Row, description: &str) -> String {
    let text = row.visible_text();
    if text.trim().is_empty() {
        description.to_owned()
    } else {
        text
    }
}

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

fn associated(row: &Row, description: &str) -> Kind {
    let target = row.associated_guid.as_deref().and_then(target);
    Kind {
        reply_to: target.map(|target| target.guid),
        ..Kind::new(Event::Other, described(row, description))
    }
}

fn tapback(row: &Row) -> Option<Tapback> {
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
    let target = target(row.associated_guid.as_deref()?)?;
    Some(Tapback {
        action,
        kind,
        emoji: row.associated_emoji.as_deref().map(text::name),
        target_guid: Some(address::guid(&target.guid)),
        target_part: target.part,
    })
}

struct Target {
    guid: String,
    part: Option<i64>,
}

/// `p:<part>/<guid>`, `bp:<guid>` for a balloon, or a bare guid.
fn target(associated: &str) -> Option<Target> {
    let (part, guid) = if let Some(rest) = associated.strip_prefix("p:") {
        let (part, guid) = rest.split_once('/')?;
        (part.parse().ok(), guid)
    } else {
        (None, associated.strip_prefix("bp:").unwrap_or(associated))
    };
    (!guid.is_empty()).then(|| Target {
        guid: guid.to_owned(),
        part,
    })
}

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

    fn tapback_of(associated_type: i64, associated: &str) -> Kind {
        of(&Row {
            associated_type,
            associated_guid: Some(associated.to_owned()),
            text: Some("Loved \u{201c}hi\u{201d}".to_owned()),
            ..Row::default()
        })
    }

    #[test]
    fn every_tapback_code_is_a_tapback_and_never_a_text() {
        for code in (2000..=2007).chain(3000..=3007) {
            let kind = tapback_of(code, "p:0/AAAA");
            assert_eq!(kind.event, Event::Tapback, "{code}");
            assert_eq!(kind.text, "", "{code}");
        }
        for code in [1000, 2008, 3999, 4000, 4001] {
            assert_eq!(tapback_of(code, "p:0/AAAA").event, Event::Other, "{code}");
        }
        for code in [0, 2, 3] {
            assert_eq!(tapback_of(code, "AAAA").event, Event::Message, "{code}");
        }
    }

    #[test]
    fn targets_are_parsed_not_assumed() {
        let of = |associated| {
            tapback_of(2000, associated)
                .tapback
                .map(|t| (t.target_guid, t.target_part))
        };
        assert_eq!(of("p:3/AAAA"), Some((Some("AAAA".to_owned()), Some(3))));
        assert_eq!(of("p:-1/AAAA"), Some((Some("AAAA".to_owned()), Some(-1))));
        assert_eq!(of("bp:AAAA"), Some((Some("AAAA".to_owned()), None)));
        assert_eq!(of("AAAA"), Some((Some("AAAA".to_owned()), None)));
        assert_eq!(of("p:0/"), None);
    }
}
