//! Shortens a message whose body exceeds what the backend accepts.

use shared_protocol::Message;

/// Transcripts that would be cut to fewer characters than this are left out.
const SHORTEST_TRANSCRIPT_CHARS: usize = 100;

/// Makes a message smaller by one step; returns `false` if nothing can be left out any more.
///
/// The first steps cut all transcripts to half the length of the longest one, until they are left out. The next step
/// leaves out all descriptions, and each further step the last half of the attachments. The text and the other
/// fields stay: each has a bound of its own.
pub fn shorten(message: &mut Message) -> bool {
    let transcripts = message
        .attachments
        .iter()
        .filter_map(|a| a.transcript.as_ref());
    if let Some(longest) = transcripts
        .map(|transcript| transcript.chars().count())
        .max()
    {
        let max_chars = longest / 2;
        for attachment in &mut message.attachments {
            match &mut attachment.transcript {
                Some(_) if max_chars < SHORTEST_TRANSCRIPT_CHARS => attachment.transcript = None,
                Some(transcript) => {
                    if let Some((end, _)) = transcript.char_indices().nth(max_chars) {
                        transcript.truncate(end);
                    }
                }
                None => {}
            }
        }
        return true;
    }
    if message.attachments.iter().any(|a| a.description.is_some()) {
        for attachment in &mut message.attachments {
            attachment.description = None;
        }
        return true;
    }
    let half = message.attachments.len() / 2;
    let had_attachments = !message.attachments.is_empty();
    message.attachments.truncate(half);
    had_attachments
}

#[cfg(test)]
mod tests {
    use shared_protocol::{Attachment, AttachmentState, MessageTime, Mode};

    use super::*;

    #[test]
    fn transcripts_are_cut_first_then_descriptions_then_files() {
        let attachment = |chars: usize| Attachment {
            guid: "A".to_owned(),
            mime_type: None,
            name: None,
            size_bytes: None,
            part: None,
            description: Some("a cat".to_owned()),
            transcript: (chars > 0).then(|| "ä".repeat(chars)),
            is_sticker: false,
            state: AttachmentState::Finished,
        };
        let now = MessageTime::from_micros(0);
        let mut message = Message::new("c", Mode::Direct, "s", "hi", now, Vec::new());
        message.attachments = vec![attachment(400), attachment(150), attachment(0)];
        let mut steps = Vec::new();
        while shorten(&mut message) {
            let chars = |a: &Attachment| a.transcript.as_ref().map_or(0, |t| t.chars().count());
            let longest: Vec<_> = message.attachments.iter().map(chars).collect();
            let described = message.attachments.iter().any(|a| a.description.is_some());
            steps.push((longest, described));
        }
        let expected = [
            (vec![200, 150, 0], true),
            (vec![100, 100, 0], true),
            (vec![0, 0, 0], true),
            (vec![0, 0, 0], false),
            (vec![0], false),
            (vec![], false),
        ];
        assert_eq!(steps, expected);
        assert_eq!(message.text, "hi");
    }
}
