//! On which own address a conversation runs, written one way.
//!
//! Messages writes the same address as `+1…`, `tel:+1…` or `P:+1…`, an e-mail address as `E:Mail@…`, and
//! may put invisible marks around either. Relays before this release passed on what stood there, and
//! where no own address stood they named the other person. Nobody but the owner is a line.

use std::borrow::Cow;

use shared_protocol::{Message, Mode};

/// What Messages puts before an address.
const PREFIXES: [&str; 4] = ["tel:", "mailto:", "p:", "e:"];

/// The message's line, as it compares; empty if the message names none.
pub(super) fn of(message: &Message) -> String {
    let Some(line) = message.line.as_deref().map(own_address) else {
        return String::new();
    };
    let is = |address: &str| own_address(address) == line;
    let is_sender = !message.from_owner && is(&message.sender);
    let is_peer = message.mode == Mode::Direct && peer(&message.chat_guid).is_some_and(is);
    if is_sender || is_peer || message.participants.iter().any(|handle| is(handle)) {
        String::new()
    } else {
        line.into_owned()
    }
}

/// An own address without prefixes and invisible marks, as the relay writes it too: a number without
/// spaces and punctuation, e-mail in lower case.
pub(crate) fn own_address(text: &str) -> Cow<'_, str> {
    if is_phone(text) {
        return Cow::Borrowed(text);
    }
    let visible: String = text
        .chars()
        .filter(|c| !c.is_control() && !is_invisible(*c))
        .collect();
    let bare = without_prefixes(&visible);
    let dense = || bare.chars().filter(|c| !c.is_whitespace());
    if bare.contains('@') {
        let address = dense().collect::<String>().to_lowercase();
        return Cow::Owned(without_prefixes(&address).to_owned());
    }
    let is_number = |c: char| c.is_ascii_digit() || c == '+' || is_punctuation(c);
    if !dense().all(is_number) {
        return Cow::Owned(bare.to_owned());
    }
    let number: String = dense().filter(|c| !is_punctuation(*c)).collect();
    // A digit in brackets is dialled at home alone: without them it is another number.
    Cow::Owned(if is_phone(&number) && !bare.contains("(0)") {
        number
    } else {
        dense().collect()
    })
}

fn without_prefixes(text: &str) -> &str {
    let mut rest = text.trim();
    while let Some(bare) = PREFIXES.iter().find_map(|prefix| {
        let (start, bare) = rest.split_at_checked(prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then_some(bare)
    }) {
        rest = bare.trim_start();
    }
    rest
}

/// `+` and 7 to 15 digits.
fn is_phone(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

fn is_punctuation(c: char) -> bool {
    matches!(
        c,
        '(' | ')' | '-' | '.' | '/' | '\u{2010}'..='\u{2015}' | '\u{2212}'
    )
}

/// Marks of direction, joiners, soft hyphens, byte order marks: they stand around an address without being
/// seen.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

/// Whom a direct chat is with.
fn peer(chat_guid: &str) -> Option<&str> {
    shared_protocol::conversation_guid(chat_guid).strip_prefix("-;")
}

#[cfg(test)]
mod tests {
    use shared_protocol::MessageTime;

    use super::*;

    #[test]
    fn an_address_is_written_one_way() {
        for same in [
            "+15550100100",
            "tel:+15550100100",
            "P:+15550100100",
            "p:+1 (555) 010-0100",
            "E:tel: +1.555.010.0100",
            "\u{202a}+15550100100\u{202c}",
            "\u{2068}tel:+1\u{a0}555\u{202f}010\u{200b}0100\u{2069}",
        ] {
            assert_eq!(own_address(same), "+15550100100", "{same:?}");
        }
        for same in [
            "e:Ada@Example.com",
            "mailto:ada@EXAMPLE.com",
            " ada@example.com\u{200e}",
        ] {
            assert_eq!(own_address(same), "ada@example.com", "{same:?}");
        }
        for (odd, kept) in [
            ("", ""),
            ("E: P:", ""),
            ("é", "é"),
            ("My Bank", "My Bank"),
            ("Tel", "Tel"),
            ("urn:biz:1", "urn:biz:1"),
            ("56249(smsfp)", "56249(smsfp)"),
            ("555 12", "55512"),
            ("+44 (0)20 5550", "+44(0)205550"),
        ] {
            assert_eq!(own_address(odd), kept);
        }
    }

    fn message(line: &str) -> Message {
        let time = MessageTime::from_micros(1);
        let participants = vec!["+15550100001".to_owned()];
        let chat = "any;-;+15550100001";
        let mut message = Message::new(chat, Mode::Direct, "+15550100001", "x", time, participants);
        message.line = Some(line.to_owned());
        message
    }

    #[test]
    fn the_other_person_is_no_line() {
        assert_eq!(of(&message("tel:+15550100100")), "+15550100100");
        assert_eq!(of(&message("P:+15550100001")), "");
        let mut typed = message("+15550100001");
        typed.from_owner = true;
        "+15550100100".clone_into(&mut typed.sender);
        assert_eq!(of(&typed), "", "the chat is with that number");
        let mut group = message("+15550100003");
        (group.mode, group.chat_guid) = (Mode::Group, "SMS;+;chat1".to_owned());
        assert_eq!(of(&group), "+15550100003");
        group.participants.push("+15550100003".to_owned());
        assert_eq!(of(&group), "");
        let mut own = message("+15550100100");
        (own.from_owner, own.sender) = (true, "+15550100100".to_owned());
        assert_eq!(
            of(&own),
            "+15550100100",
            "the owner writes from their own address"
        );
        let mut mail = message("E:Ann@Example.com");
        "iMessage;-;ann@example.COM".clone_into(&mut mail.chat_guid);
        mail.participants.clear();
        assert_eq!(of(&mail), "");
        let mut without = message("");
        assert_eq!(of(&without), "");
        without.line = None;
        assert_eq!(of(&without), "");
    }
}
