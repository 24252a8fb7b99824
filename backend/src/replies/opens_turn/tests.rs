//! Tests of the rules by which a message opens a turn: who wrote it, over which service, what it says, and when the
//! turn is due.

use shared_protocol::MessageTime;

use super::*;

const PEER: &str = "+15550100001";
const QUIET: Duration = Duration::from_secs(2);

fn rules() -> TurnRules {
    TurnRules {
        has_responder: true,
        services: vec!["iMessage".to_owned()],
        quiet: QUIET,
        persona: Persona::new("sage"),
    }
}

fn direct(text: &str) -> Message {
    let time = MessageTime::from_micros(1);
    let chat = format!("any;-;{PEER}");
    Message::new(chat, Mode::Direct, PEER, text, time, vec![PEER.to_owned()])
}

fn group(text: &str) -> Message {
    let mut message = direct(text);
    (message.mode, message.chat_guid) = (Mode::Group, "any;+;chat1".to_owned());
    message
}

fn attachment(name: &str, mime_type: &str) -> Attachment {
    let json = serde_json::json!({ "guid": "a", "name": name, "mime_type": mime_type });
    serde_json::from_value(json).expect("an attachment")
}

fn opens(message: &Message) -> Option<Opens> {
    rules().opening(message).map(|opening| opening.opens)
}

#[test]
fn a_live_text_of_another_person_opens_a_turn() {
    let opening = rules().opening(&direct("hello")).expect("a turn");
    assert_eq!((opening.quiet, opening.opens), (QUIET, Opens::Turn));
    assert_eq!(opening.longest, LONGEST_WAIT);
    let mut photo = direct("");
    assert_eq!(opens(&photo), None, "there is nothing to answer");
    photo.attachments = vec![attachment("a.heic", "image/heic")];
    assert_eq!(opens(&photo), Some(Opens::Turn));
    let without_responder = TurnRules {
        has_responder: false,
        ..rules()
    };
    assert_eq!(without_responder.opening(&direct("hello")), None);
}

#[test]
fn what_is_not_to_be_answered_opens_none() {
    let marks: [fn(&mut Message); 5] = [
        |it| it.from_owner = true,
        |it| it.is_backfill = true,
        |it| it.answered = true,
        |it| it.automatic = true,
        |it| it.rehearsal = true,
    ];
    for (n, mark) in marks.into_iter().enumerate() {
        let mut message = direct("hello");
        mark(&mut message);
        assert_eq!(opens(&message), None, "mark {n}");
    }
    for event in Event::ALL {
        let mut message = direct("hello");
        (message.event, message.revision) = (event, 1);
        let expected = (event == Event::Message).then_some(Opens::Turn);
        assert_eq!(opens(&message), expected, "{event:?}");
    }
    for sender in [
        "56249",
        "56249(smsfp)",
        "262966",
        "AMAZON",
        "urn:biz:0a",
        "urn:biz:a@example.com",
        "URN:BIZ:15550100001",
        "0800 55",
        "1234567890(smsfp)",
        "INFO-1234567890",
        "+4915",
        "a@",
        "١٢٣٤٥٦٧٨٩٠",
    ] {
        let mut message = direct("hello");
        sender.clone_into(&mut message.sender);
        assert_eq!(opens(&message), None, "{sender}");
    }
    for sender in [
        "ann@example.com",
        "E:Ann@Example.com",
        "(555) 010-0001",
        "tel:+1 555 010 0001",
        "\u{202a}+15550100001\u{202c}",
        PEER,
    ] {
        let mut message = direct("hello");
        sender.clone_into(&mut message.sender);
        assert_eq!(opens(&message), Some(Opens::Turn), "{sender}");
    }
}

#[test]
fn the_service_decides_and_imessage_is_assumed() {
    for (service, expected) in [
        (None, Some(Opens::Turn)),
        (Some("imessage"), Some(Opens::Turn)),
        (Some(""), Some(Opens::Turn)),
        (Some("iMessageLite"), None),
        (Some("SMS"), None),
        (Some("RCS"), None),
    ] {
        let mut message = direct("hello");
        message.service = service.map(str::to_owned);
        assert_eq!(opens(&message), expected, "{service:?}");
    }
}

#[test]
fn a_one_time_code_opens_none() {
    for text in [
        "123456 is your verification code",
        "G-482913 is your Google verification code.",
        "Your login code is 123-456. Do not share it.",
        "482 913 is your passcode",
        "Code 8812. Don’t share this code with anyone.",
        "Use 77341 as your one-time password",
        "【Shop】验证码：482913",
        "Your code: 1234\n\n@example.com #1234",
        "Dein Bestätigungscode lautet 8812",
    ] {
        assert_eq!(opens(&direct(text)), None, "{text}");
    }
    for text in [
        "what is a verification code?",
        "the gate code is 4711",
        "see you at 1830",
        "do not share this",
        "please don't share my number, 5550100",
        "never share a 1978 Bordeaux",
        "the access code for the gate is 4711",
        "my passcode was 1234, silly me",
        "was it a one-time thing in 2019?",
        "your table at 1830",
        "call me: (555) 010-0001",
        "@ann see #1234 at 1830",
    ] {
        assert_eq!(opens(&direct(text)), Some(Opens::Turn), "{text}");
    }
}

#[test]
fn without_content_nothing_opens_a_turn() {
    for text in ["", " ", "\n\t", "\u{a0}", "\u{200b}", "\u{200e}\u{feff} "] {
        assert_eq!(opens(&direct(text)), None, "{text:?}");
        let mut late = direct(text);
        (late.event, late.revision) = (Event::Edit, 0);
        assert_eq!(opens(&late), None, "a late text {text:?}");
    }
}

#[test]
fn a_late_text_opens_a_turn_and_a_late_transcript_hastens_one() {
    let mut late = direct("what I said");
    (late.event, late.revision) = (Event::Edit, 0);
    assert_eq!(opens(&late), Some(Opens::TurnIfTextWasMissing));
    let mut update = direct("");
    (update.event, update.revision) = (Event::AttachmentUpdate, 1);
    update.attachments = vec![attachment("Audio Message.caf", "audio/x-caf")];
    assert_eq!(opens(&update), None, "still no transcript");
    update.attachments[0].transcript = Some("hi".to_owned());
    assert_eq!(opens(&update), Some(Opens::NothingButHastensWaitingTurn));
}

#[test]
fn in_a_group_the_persona_is_spoken_to() {
    assert_eq!(opens(&group("what a message")), None);
    assert_eq!(opens(&group("Sage, when?")), Some(Opens::Turn));
    let mut mention = group("hey you");
    mention.mentions = vec!["+15550100100".to_owned()];
    assert_eq!(opens(&mention), Some(Opens::Turn));
    let mut reply = group("yes");
    reply.reply_to_guid = Some("guid".to_owned());
    assert_eq!(opens(&reply), Some(Opens::Turn));
}

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(1_000 + secs)
}

fn due(messages: &[(i64, &str, bool)]) -> Option<Timestamp> {
    rules().due(
        messages
            .iter()
            .map(|(secs, text, lacks_transcript)| DueMessage {
                received_at: at(*secs),
                text,
                lacks_transcript: *lacks_transcript,
            }),
    )
}

#[test]
fn a_turn_is_due_after_a_quiet_gap_and_never_much_later() {
    assert_eq!(due(&[]), None);
    assert_eq!(due(&[(0, "hello", false)]), Some(at(2)));
    for text in [
        "well,",
        "namely: ",
        "hm…",
        "hm...",
        "hm....",
        "好，",
        "和：",
        "مرحبا،",
        "well,\u{200f} \u{200b}",
    ] {
        assert_eq!(due(&[(0, text, false)]), Some(at(4)), "{text}");
    }
    for text in [
        "well", "1, 2", "10:30", "hm..", "well;", ":)", "why?", "...",
    ] {
        let secs = if text == "..." { 4 } else { 2 };
        assert_eq!(due(&[(0, text, false)]), Some(at(secs)), "{text}");
    }
    assert_eq!(due(&[(0, "well,", false), (3, "no", false)]), Some(at(5)));
    assert_eq!(due(&[(0, "well,", false), (1, "no", false)]), Some(at(4)));
    let chatter: Vec<_> = (0..10).map(|secs| (secs, "and", false)).collect();
    assert_eq!(due(&chatter), Some(at(10)));
    assert_eq!(due(&[(0, "", true), (5, "x", false)]), Some(at(20)));
}

#[test]
fn a_voice_message_waits_for_its_transcript() {
    let mut voice = direct("");
    voice.attachments = vec![attachment("Audio Message.caf", "audio/x-caf")];
    let opening = rules().opening(&voice).expect("a turn");
    assert_eq!(opening.quiet, LONGEST_WAIT_FOR_TRANSCRIPT);
    voice.attachments[0].transcript = Some("hi".to_owned());
    assert_eq!(rules().opening(&voice).expect("a turn").quiet, QUIET);
    for (name, mime_type) in [
        ("song.mp3", "audio/mpeg"),
        ("a.caf", ""),
        ("note.m4a", "audio/x-m4a"),
    ] {
        voice.attachments = vec![attachment(name, mime_type)];
        let opening = rules().opening(&voice).expect("a turn");
        assert_eq!(opening.quiet, QUIET, "{name}");
    }
    for (name, mime_type) in [
        ("Audio Message.m4a", ""),
        ("", "audio/amr"),
        ("x", "audio/caf"),
    ] {
        voice.attachments = vec![attachment(name, mime_type)];
        let opening = rules().opening(&voice).expect("a turn");
        assert_eq!(
            opening.longest, LONGEST_WAIT_FOR_TRANSCRIPT,
            "{name} {mime_type}"
        );
    }
    assert_eq!(
        due(&[(0, "hi", false), (9, "", true)]),
        Some(at(20)),
        "after the first"
    );
}
