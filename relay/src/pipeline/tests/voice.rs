//! Voice messages: the transcript is posted with the message, or later when Messages has written it.

use messages_stand_in::{Attachment, Attribute, Body, Piece, attributed_body};
use shared_protocol::{MAX_BODY_BYTES, MAX_TRANSCRIPT_CHARS};

use super::*;

const VOICE: &str = "at_0_VOICE";

/// Where Messages writes a late transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Body,
    FileRow,
}

/// Delivers a voice message with a transcript in its body and one in its file's row; returns the ROWIDs of the
/// message and of the file.
fn receive_voice(mac: &mut Mac, in_body: Option<&str>, in_file: Option<&str>) -> (i64, i64) {
    let (chat, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    let message = NewMessage::incoming(ada, now)
        .pieces(&[placeholder(in_body)])
        .set("is_audio_message", 1);
    let row = mac.messages.deliver(chat, &message).unwrap();
    let mut file = Attachment::voice(20_480).with_guid(VOICE);
    file.transcript = in_file.map(str::to_owned);
    let file = mac.messages.attach(row, &file, now).unwrap();
    (row, file)
}

/// The place of the file in the body, with its transcript.
fn placeholder(transcript: Option<&str>) -> Piece {
    let piece = Piece::attachment(VOICE);
    match transcript {
        Some(transcript) => piece.with(Attribute::Transcription(transcript.to_owned())),
        None => piece,
    }
}

/// Event, revision and transcript of everything that was posted.
fn posts(mac: &Mac) -> Vec<(Event, u32, Option<String>)> {
    let posted = mac.posted();
    let posts = posted.into_iter().map(|mut message| {
        assert_eq!(message.attachments.len(), 1);
        let transcript = message.attachments.remove(0).transcript;
        (message.event, message.revision, transcript)
    });
    posts.collect()
}

#[test]
fn a_transcript_in_the_body_or_in_the_file_row_is_posted_with_the_message() {
    for (in_body, in_file, expected) in [
        (Some("Bring milk"), None, Some("Bring milk")),
        (None, Some("Bring milk"), Some("Bring milk")),
        (Some("Bring milk"), Some("bring milk"), Some("Bring milk")),
        (Some("  "), Some("Bring milk"), Some("Bring milk")),
        (None, None, None),
        (None, Some(" \n"), None),
    ] {
        let mut mac = Mac::new();
        receive_voice(&mut mac, in_body, in_file);
        mac.run_relay();
        let transcript = expected.map(str::to_owned);
        assert_eq!(posts(&mac), [(Event::Message, 0, transcript)]);
        assert_eq!(mac.texts(), [""]);
    }
}

#[test]
fn a_late_transcript_in_the_body_or_in_the_file_row_is_posted_as_one_update() {
    let write_transcript = |mac: &mut Mac, (row, file): (i64, i64), place: Place| {
        if place == Place::Body {
            let archive = attributed_body(&[placeholder(Some("Bring milk"))]);
            let body = Body::Archive {
                archive,
                text: None,
            };
            mac.messages.set_body(row, &body).unwrap();
        } else {
            mac.messages
                .transcribe_attachment(file, "Bring milk")
                .unwrap();
        }
    };
    for order in [
        vec![Place::Body],
        vec![Place::FileRow],
        vec![Place::Body, Place::FileRow],
        vec![Place::FileRow, Place::Body],
    ] {
        let mut mac = Mac::new();
        let voice = receive_voice(&mut mac, None, None);
        mac.run_relay();
        for place in &order {
            mac.advance(secs(4));
            write_transcript(&mut mac, voice, *place);
            mac.run_relay();
            mac.run_relay();
        }
        let expected = [
            (Event::Message, 0, None),
            (Event::AttachmentUpdate, 1, Some("Bring milk".to_owned())),
        ];
        assert_eq!(posts(&mac), expected, "{order:?}");
        // A transcript that Messages replaces is posted again.
        mac.messages
            .transcribe_attachment(voice.1, "Bring milk, please")
            .unwrap();
        let archive = attributed_body(&[placeholder(None)]);
        let body = Body::Archive {
            archive,
            text: None,
        };
        mac.messages.set_body(voice.0, &body).unwrap();
        mac.run_relay();
        let last = Some("Bring milk, please".to_owned());
        assert_eq!(
            posts(&mac)[2..],
            [(Event::AttachmentUpdate, 2, last)],
            "{order:?}"
        );
    }
}

#[test]
fn a_transcript_written_while_the_relay_was_down_is_posted() {
    let mut mac = Mac::new();
    let (_, file) = receive_voice(&mut mac, None, None);
    mac.run_relay();
    mac.advance(hours(30));
    mac.messages
        .transcribe_attachment(file, "Bring milk")
        .unwrap();
    mac.run_relay();
    let update = (Event::AttachmentUpdate, 1, Some("Bring milk".to_owned()));
    assert_eq!(posts(&mac)[1..], [update]);
}

#[test]
fn transcripts_are_clipped_and_a_post_with_a_hundred_transcripts_is_accepted() {
    let mut mac = Mac::new();
    let (chat, ada) = mac.direct_chat(ADA);
    let now = mac.now();
    let long = "\u{1f5e3}".repeat(MAX_TRANSCRIPT_CHARS + 10);
    receive_voice(&mut mac, None, Some(&long));
    mac.run_relay();
    let transcript = mac.posted().pop().unwrap().attachments.remove(0).transcript;
    assert_eq!(
        transcript.map(|t| t.chars().count()),
        Some(MAX_TRANSCRIPT_CHARS)
    );
    let message = NewMessage::incoming(ada, now).text("all of them");
    let row = mac.messages.deliver(chat, &message).unwrap();
    for _ in 0..100 {
        let file = Attachment::voice(1).with_transcript(long.clone());
        mac.messages.attach(row, &file, now).unwrap();
    }
    mac.run_relay();
    let message = mac.posted().pop().unwrap();
    assert!(serde_json::to_vec(&message).unwrap().len() <= MAX_BODY_BYTES);
    assert_eq!(
        (message.text.as_str(), message.attachments.len()),
        ("all of them", 100)
    );
    // Each transcript is as long as the limit allows.
    assert!(
        message
            .attachments
            .iter()
            .all(|a| a.transcript.as_ref().unwrap().len() > 4_000)
    );
    mac.run_relay();
    assert_eq!(
        mac.posted().len(),
        2,
        "the shortened message is not posted again"
    );
}

#[test]
fn user_info_without_a_transcript_gives_no_transcript() {
    let mut mac = Mac::new();
    let (_, file) = receive_voice(&mut mac, None, None);
    mac.run_relay();
    for info in [
        b"bplist00".to_vec(),
        vec![0; 300],
        b"audio-transcription".to_vec(),
    ] {
        let sql = "update attachment set user_info = ?1 where ROWID = ?2";
        mac.messages
            .raw()
            .execute(sql, rusqlite::params![info, file])
            .unwrap();
        mac.run_relay();
    }
    assert_eq!(posts(&mac), [(Event::Message, 0, None)]);
}
