//! The files that a person sent: attachments that Messages has joined to the row, and those that the text names
//! but Messages has not joined yet. Hidden attachments, which belong to balloons, are left out.

use std::collections::HashMap;

use shared_protocol::{Attachment, MAX_ATTACHMENTS};

use super::{address, text};
use crate::digest::Digest;
use crate::read::{AttachmentRow, BodyRun, Row};

/// The attachments in the order of their parts in the text. Attachments that the text does not name come last.
pub(super) fn of(row: &Row) -> Vec<Attachment> {
    let mut attachments = all(row);
    attachments.sort_by_key(|attachment| attachment.part.map_or((1, 0), |part| (0, part)));
    attachments.truncate(MAX_ATTACHMENTS);
    attachments
}

/// Digest over the posted fields of the attachments. A field that earlier releases did not post is included only if
/// it has a value: otherwise an upgrade would change the digest of every row, and post all attachments again.
pub(super) fn digest(row: &Row) -> Digest {
    let lines: Vec<String> = all(row)
        .into_iter()
        .take(MAX_ATTACHMENTS)
        .map(|attachment| {
            let mut line = format!(
                "{}\n{:?}\n{:?}\n{:?}\n{:?}",
                attachment.guid,
                attachment.state,
                attachment.name,
                attachment.mime_type,
                attachment.size_bytes
            );
            if let Some(description) = attachment.description {
                line.push_str("\ndescription ");
                line.push_str(&description);
            }
            if let Some(transcript) = attachment.transcript {
                line.push_str("\ntranscript ");
                line.push_str(&transcript);
            }
            line
        })
        .collect();
    Digest::of(lines.iter().map(String::as_bytes))
}

/// Joined attachments in the order of chat.db, then those that only the text names.
fn all(row: &Row) -> Vec<Attachment> {
    let runs = row.body.runs();
    let named: HashMap<&str, &BodyRun> = runs
        .iter()
        .filter_map(|run| Some((run.attachment_guid.as_deref()?, run)))
        .collect();
    let transcript_of = |run: Option<&BodyRun>| run.and_then(|run| run.transcript.clone());
    let attachment_of = |file: &AttachmentRow, run: Option<&BodyRun>| Attachment {
        guid: address::guid(&file.guid),
        mime_type: file.mime_type.as_deref().map(text::clipped_name),
        name: file.name.as_deref().map(text::clipped_name),
        size_bytes: file
            .size_bytes
            .filter(|bytes| i64::try_from(*bytes).is_ok()),
        part: run.and_then(|run| run.part),
        description: file.description.as_deref().map(text::clipped_name),
        transcript: transcript_of(run)
            .or_else(|| file.transcript.clone())
            .map(text::clipped_transcript),
        is_sticker: file.is_sticker,
        state: file.state,
    };
    let joined = row
        .attachments
        .iter()
        .filter(|a| !a.is_hidden && !a.guid.is_empty())
        .map(|a| attachment_of(a, named.get(a.guid.as_str()).copied()));
    let unjoined = runs
        .iter()
        .filter_map(|run| Some((run.attachment_guid.as_deref()?, run)))
        .filter(|(guid, _)| !guid.is_empty() && !row.attachments.iter().any(|a| a.guid == *guid))
        .map(|(guid, run)| {
            let unjoined = AttachmentRow {
                guid: guid.to_owned(),
                ..AttachmentRow::default()
            };
            attachment_of(&unjoined, Some(run))
        });
    let mut all: Vec<Attachment> = joined.chain(unjoined).collect();
    // If there is only one file, a transcript in a run without an attachment belongs to that file.
    if let [only] = all.as_mut_slice()
        && only.transcript.is_none()
    {
        let without_file = runs
            .iter()
            .find(|run| run.attachment_guid.is_none() && run.transcript.is_some());
        only.transcript = transcript_of(without_file).map(text::clipped_transcript);
    }
    all
}

#[cfg(test)]
mod tests {
    use shared_protocol::AttachmentState;

    use super::*;
    use crate::read::Body;

    fn file(guid: &str) -> AttachmentRow {
        AttachmentRow {
            guid: guid.to_owned(),
            mime_type: Some("image/heic".to_owned()),
            size_bytes: Some(7),
            state: AttachmentState::Finished,
            ..AttachmentRow::default()
        }
    }

    fn row(runs: &[(&str, i64)]) -> Row {
        let run = |(guid, part): &(&str, i64)| BodyRun {
            part: Some(*part),
            attachment_guid: Some((*guid).to_owned()),
            ..BodyRun::default()
        };
        Row {
            body: Body::Text {
                text: String::new(),
                runs: runs.iter().map(run).collect(),
            },
            attachments: vec![file("A"), file("B")],
            ..Row::default()
        }
    }

    /// The digest of the two files of [`row`] in releases that had neither descriptions nor transcripts.
    fn digest_of_earlier_release() -> Digest {
        let line = |guid| format!("{guid}\nFinished\nNone\nSome(\"image/heic\")\nSome(7)");
        Digest::of([line("A"), line("B")].iter().map(String::as_bytes))
    }

    #[test]
    fn parts_decide_the_posted_order_and_change_no_digest() {
        let row = row(&[("B", 0), ("A", 2)]);
        let parts: Vec<_> = of(&row).into_iter().map(|a| (a.guid, a.part)).collect();
        let expected = [("B".to_owned(), Some(0)), ("A".to_owned(), Some(2))];
        assert_eq!(parts, expected);
        assert_eq!(digest(&row), digest_of_earlier_release());
    }

    #[test]
    fn a_description_and_a_transcript_change_the_digest() {
        let mut described = row(&[]);
        described.attachments[0].description = Some("a cat".to_owned());
        let mut transcribed = row(&[]);
        transcribed.attachments[0].transcript = Some("a cat".to_owned());
        let digests = [
            digest_of_earlier_release(),
            digest(&described),
            digest(&transcribed),
        ];
        assert!(digests[0] != digests[1] && digests[1] != digests[2] && digests[0] != digests[2]);
    }

    #[test]
    fn a_transcript_without_an_attachment_belongs_to_the_only_file() {
        let without_file = BodyRun {
            transcript: Some("hello".to_owned()),
            ..BodyRun::default()
        };
        let mut row = row(&[]);
        let Body::Text { runs, .. } = &mut row.body else {
            panic!("it has a body")
        };
        runs.push(without_file);
        assert!(of(&row).iter().all(|a| a.transcript.is_none()));
        row.attachments[0].is_hidden = true;
        assert_eq!(of(&row)[0].transcript.as_deref(), Some("hello"));
    }
}
