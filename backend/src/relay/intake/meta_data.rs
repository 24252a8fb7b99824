//! The parts of a message that have no column and are stored as one JSON value.

use serde::Serialize;
use shared_protocol::{Attachment, Edit, Message, ReplyVia, Tapback};

#[derive(Serialize)]
struct MetaData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to_guid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to_part: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_of_guid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tapback: Option<&'a Tapback>,
    #[serde(skip_serializing_if = "Option::is_none")]
    edit: Option<&'a Edit>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    attachments: &'a [Attachment],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    mentions: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    group_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effect: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncated: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rehearsal: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    persona_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_via: Option<ReplyVia>,
}

/// The parts as JSON; `None` if the message has none of them.
pub(super) fn of(message: &Message) -> Option<String> {
    let meta_data = MetaData {
        line: message.line.as_deref(),
        reply_to_guid: message.reply_to_guid.as_deref(),
        reply_to_part: message.reply_to_part,
        link_of_guid: message.link_of_guid.as_deref(),
        tapback: message.tapback.as_ref(),
        edit: message.edit.as_ref(),
        attachments: &message.attachments,
        mentions: &message.mentions,
        group_name: message.group_name.as_deref(),
        effect: message.effect.as_deref(),
        truncated: message.truncated.then_some(true),
        rehearsal: message.rehearsal.then_some(true),
        persona_id: message.persona_id.as_deref(),
        reply_via: message.reply_via,
    };
    let json = serde_json::to_string(&meta_data).expect("plain data with string keys");
    (json != "{}").then_some(json)
}
