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
        "0800 55",
    ] {
        let mut message = direct("hello");
        sender.clone_into(&mut message.sender);
        assert_eq!(opens(&message), None, "{sender}");
    }
    for sender in [
        "ann@example.com",
        "E:Ann@Example.com",
        "(555) 010-0001",
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
    ] {
        assert_eq!(opens(&direct(text)), Some(Opens::Turn), "{text}");
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
    for text in ["well,", "namely: ", "hm…", "hm...", "好，"] {
        assert_eq!(due(&[(0, text, false)]), Some(at(4)), "{text}");
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
    voice.attachments = vec![attachment("song.mp3", "audio/mpeg")];
    assert_eq!(rules().opening(&voice).expect("a turn").quiet, QUIET);
}
