//! The line of a message: the own address of its conversation, in one normal form.
//!
//! Older relays sent the address as chat.db has it: `tel:+1…`, `P:+1…`, `E:Mail@…`, with invisible marks around it. If
//! chat.db had no own address, such a relay sent the other person's address. Only an address of the Mac's owner is a
//! line.

use shared_protocol::{Address, Message, Mode, conversation_guid};

/// The message's line. `None` if the message names no address, or another person's.
pub(super) fn of(message: &Message) -> Option<Address> {
    let line = Address::parse(message.line.as_deref()?)?;
    let is_line = |address: &str| {
        address == line.as_str() || Address::parse(address).is_some_and(|address| address == line)
    };
    let is_sender = !message.from_owner && is_line(&message.sender);
    let is_peer = message.mode == Mode::Direct
        && conversation_guid(&message.chat_guid)
            .strip_prefix("-;")
            .is_some_and(is_line);
    let is_of_another_person =
        is_sender || is_peer || message.participants.iter().any(|handle| is_line(handle));
    (!is_of_another_person).then_some(line)
}

#[cfg(test)]
mod tests {
    use shared_protocol::MessageTime;

    use super::*;

    fn message(line: &str) -> Message {
        let time = MessageTime::from_micros(1);
        let participants = vec!["+15550100001".to_owned()];
        let chat = "any;-;+15550100001";
        let mut message = Message::new(chat, Mode::Direct, "+15550100001", "x", time, participants);
        message.line = Some(line.to_owned());
        message
    }

    fn line_of(message: &Message) -> Option<String> {
        of(message).map(Address::into_string)
    }

    #[test]
    fn an_address_of_another_person_is_no_line() {
        let own = Some("+15550100100".to_owned());
        assert_eq!(line_of(&message("tel:+15550100100")), own);
        assert_eq!(line_of(&message("P:+15550100001")), None);
        let mut typed = message("+15550100001");
        typed.from_owner = true;
        "+15550100100".clone_into(&mut typed.sender);
        assert_eq!(line_of(&typed), None, "the chat is with that number");
        let mut group = message("+15550100003");
        (group.mode, group.chat_guid) = (Mode::Group, "SMS;+;chat1".to_owned());
        assert_eq!(line_of(&group).as_deref(), Some("+15550100003"));
        group.participants.push("tel:+1 555 010 0003".to_owned());
        assert_eq!(line_of(&group), None);
        let mut sent = message("+15550100100");
        (sent.from_owner, sent.sender) = (true, "+15550100100".to_owned());
        assert_eq!(line_of(&sent), own, "the owner writes from this address");
        let mut mail = message("E:Ann@Example.com");
        "iMessage;-;ann@example.COM".clone_into(&mut mail.chat_guid);
        mail.participants.clear();
        assert_eq!(line_of(&mail), None);
        for nothing in [Some("E:"), Some("\u{200e}"), None] {
            let mut without = message("");
            without.line = nothing.map(str::to_owned);
            assert_eq!(line_of(&without), None, "{nothing:?}");
        }
    }
}
