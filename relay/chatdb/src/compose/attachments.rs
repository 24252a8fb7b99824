//! The files that a person sent: joined ones and those that the text names but Messages has not joined
//! yet, without the payload of balloons.

use std::collections::HashMap;

use shared_protocol::{Attachment, AttachmentState, MAX_ATTACHMENTS};

use super::{address, text};
use crate::digest::Digest;
use crate::read::{BodyRun, Row};

/// The attachments in the order of the parts that they are; those that no part names come last.
pub(super) fn of(row: &Row) -> Vec<Attachment> {
    let mut attachments = all(row);
    attachments.sort_by_key(|attachment| attachment.part.map_or((1, 0), |part| (0, part)));
    attachments.truncate(MAX_ATTACHMENTS);
    attachments
}

/// Digest over what was told of them, in the order of chat.db. What was not told by earlier releases
/// counts only where it is there, so that an upgrade tells nothing again.
pub(super) fn digest(row: &Row) -> Digest {
    let lines: Vec<String> = all(row)
        .into_iter()
        .take(MAX_ATTACHMENTS)
        .map(|a| {
            let mut line = format!(
                "{}\n{:?}\n{:?}\n{:?}\n{:?}",
                a.guid, a.state, a.name, a.mime_type, a.size_bytes
            );
            if let Some(description) = a.description {
                line.push_str("\ndescription ");
                line.push_str(&description);
            }
            if let Some(transcript) = a.transcript {
                line.push_str("\ntranscript ");
                line.push_str(&transcript);
            }
            line
        })
        .collect();
    Digest::of(lines.iter().map(String::as_bytes))
}

/// Joined attachments in the order of their ROWIDs, then those that the text alone names.
fn all(row: &Row) -> Vec<Attachment> {
    let runs = row.body.runs();
    let named: HashMap<&str, &BodyRun> = runs
        .iter()
        .filter_map(|run| Some((run.attachment_guid.as_deref()?, run)))
        .collect();
    let transcript_of = |run: Option<&BodyRun>| run.and_then(|run| run.transcript.clone());
    let joined = row
        .attachments
        .iter()
        .filter(|a| !a.is_hidden && !a.guid.is_empty())
        .map(|a| {
            let run = named.get(a.guid.as_str()).copied();
            Attachment {
                guid: address::guid(&a.guid),
                mime_type: a.mime_type.as_deref().map(text::name),
                name: a.name.as_deref().map(text::name),
                size_bytes: a.size_bytes.filter(|bytes| i64::try_from(*bytes).is_ok()),
                part: run.and_then(|run| run.part),
                description: a.description.as_deref().map(text::name),
                transcript: transcript_of(run)
                    .or_else(|| a.transcript.clone())
                    .map(text::transcript),
                is_sticker: a.is_sticker,
                state: a.state,
            }
        });
    let unjoined = runs
        .iter()
        .filter_map(|run| Some((run.attachment_guid.as_deref()?, run)))
        .filter(|(guid, _)| !guid.is_empty() && !row.attachments.iter().any(|a| a.guid == *guid))
        .map(|(guid, run)| Attachment {
            guid: address::guid(guid),
            mime_type: None,
            name: None,
            size_bytes: None,
            part: run.part,
            description: None,
            transcript: transcript_of(Some(run)).map(text::transcript),
            is_sticker: false,
            state: AttachmentState::Waiting,
        });
    let mut all: Vec<Attachment> = joined.chain(unjoined).collect();
    // A transcript that stands beside the placeholder belongs to the only file that there is.
    if let [only] = all.as_mut_slice()
        && only.transcript.is_none()
    {
        let loose = runs
            .iter()
            .find(|run| run.attachment_guid.is_none() && run.transcript.is_some());
        only.transcript = transcript_of(loose).map(text::transcript);
    }
    all
}
