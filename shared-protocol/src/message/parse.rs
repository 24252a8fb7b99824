//! Parses the body of a request into a [`Message`], or lists everything that is wrong with it.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Attachment, Edit, Event, Message, MessageTime, Mode, ReplyVia, Tapback, Violation};

/// Deepest nesting of a body. A message has three levels; fields of later versions may be deeper.
const MAX_DEPTH: usize = 32;

/// Why a body is not an acceptable message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMessage {
    /// Not JSON, not UTF-8, nested too deeply, a key twice, or not an object.
    #[error("{0}")]
    Json(String),
    /// JSON, but fields are missing or break rules.
    #[error("{} field(s) break a rule", .0.len())]
    Fields(Vec<Violation>),
}

impl Message {
    /// Reads and validates a body. On failure every offending field is listed, not only the first.
    pub fn from_json(body: &[u8]) -> Result<Self, InvalidMessage> {
        if depth(body) > MAX_DEPTH {
            return Err(InvalidMessage::Json(format!(
                "the body is nested more than {MAX_DEPTH} levels deep"
            )));
        }
        match serde_json::from_slice::<Self>(body) {
            Ok(mut message) => {
                message.correct_mistakes_of_older_callers();
                match message.violations() {
                    found if found.is_empty() => Ok(message),
                    found => Err(InvalidMessage::Fields(found)),
                }
            }
            // The body is parsed a second time, only to explain the error.
            Err(error) => Err(explain(body, &error)),
        }
    }
}

/// How deep the brackets of a JSON text nest. For another text the result has no meaning.
///
/// Serde skips unknown fields of any depth. The depth is limited, because code that keeps unknown fields could
/// overflow its stack.
fn depth(body: &[u8]) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b']' | b'}' => open = open.saturating_sub(1),
            b'"' => {
                while let Some(b) = bytes.next()
                    && *b != b'"'
                {
                    if *b == b'\\' {
                        bytes.next();
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

/// The reason for which serde refused the body.
fn explain(body: &[u8], error: &serde_json::Error) -> InvalidMessage {
    if std::str::from_utf8(body).is_err() {
        return InvalidMessage::Json("the body is not UTF-8".to_owned());
    }
    let position = format!("line {}, column {}", error.line(), error.column());
    match serde_json::from_slice::<Value>(body) {
        Err(_) => InvalidMessage::Json(format!("the body is not JSON ({position})")),
        Ok(Value::Object(object)) => {
            let mut found = field_violations(&object);
            if found.is_empty() {
                // Every field parses by itself, so the body has a key twice.
                return InvalidMessage::Json(format!("the body has a key twice ({position})"));
            }
            let other_violations = rule_violations(object, &found);
            found.extend(other_violations);
            InvalidMessage::Fields(found)
        }
        Ok(_) => InvalidMessage::Json("the body is not a JSON object".to_owned()),
    }
}

/// Fields that are missing or have a wrong type.
fn field_violations(object: &Map<String, Value>) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut check = |field: &str, fault_of: fn(&Value) -> Option<String>| {
        let message = object.get(field).and_then(fault_of);
        found.extend(message.map(|message| Violation::new(field, message)));
    };
    check("chat_guid", type_fault::<String>);
    check("mode", type_fault::<Mode>);
    check("sender", type_fault::<String>);
    check("text", type_fault::<String>);
    check("timestamp", type_fault::<MessageTime>);
    check("participants", type_fault::<Vec<String>>);
    check("event", type_fault::<Option<Event>>);
    check("revision", type_fault::<Option<u32>>);
    check("reply_via", type_fault::<Option<ReplyVia>>);
    check("tapback", type_fault::<Option<Tapback>>);
    check("edit", type_fault::<Option<Edit>>);
    check("attachments", type_fault::<Option<Vec<Attachment>>>);
    check("mentions", type_fault::<Option<Vec<String>>>);
    check("reply_to_part", type_fault::<Option<i64>>);
    for field in [
        "from_owner",
        "is_backfill",
        "answered",
        "automatic",
        "truncated",
        "rehearsal",
    ] {
        check(field, type_fault::<Option<bool>>);
    }
    for field in [
        "message_guid",
        "line",
        "service",
        "reply_to_guid",
        "link_of_guid",
        "group_name",
        "effect",
        "persona_id",
        "persona_phone",
        "relay_id",
    ] {
        check(field, type_fault::<Option<String>>);
    }
    for field in [
        "chat_guid",
        "mode",
        "sender",
        "text",
        "timestamp",
        "participants",
    ] {
        if !object.contains_key(field) {
            found.push(Violation::new(field, "is required"));
        }
    }
    found
}

/// Rules that are broken by fields with the right types. `bad_fields` lists the fields that are missing or have
/// a wrong type.
fn rule_violations(mut object: Map<String, Value>, bad_fields: &[Violation]) -> Vec<Violation> {
    let is_bad = |field: &str| bad_fields.iter().any(|violation| violation.field == field);
    for violation in bad_fields {
        match placeholder(&violation.field) {
            Some(value) => object.insert(violation.field.clone(), value),
            None => object.remove(&violation.field),
        };
    }
    // An empty text may be valid: the body's event or attachments could not be read.
    if (is_bad("event") || is_bad("attachments"))
        && object.get("text").is_some_and(|text| text == "")
    {
        object.extend(placeholder("text").map(|value| ("text".to_owned(), value)));
    }
    let Ok(mut message) = serde_json::from_value::<Message>(Value::Object(object)) else {
        return Vec::new();
    };
    message.correct_mistakes_of_older_callers();
    let mut found = message.violations();
    found.retain(|violation| !is_bad(&violation.field));
    found
}

/// A valid value for a required field; `None` for an optional field.
fn placeholder(field: &str) -> Option<Value> {
    match field {
        "chat_guid" | "sender" | "text" => Some("-".into()),
        "mode" => Some("direct".into()),
        "timestamp" => Some(0.into()),
        "participants" => Some(Value::Array(Vec::new())),
        _ => None,
    }
}

/// The message about a value that does not have the type `T`; `None` if it has. Serde's own message is not used,
/// because it repeats the value, which may be the text of a person.
fn type_fault<T: DeserializeOwned + TypeDescription>(value: &Value) -> Option<String> {
    serde_json::from_value::<T>(value.clone())
        .err()
        .map(|_| format!("must be {}", T::DESCRIPTION))
}

/// The words for a type in the message of a violation.
trait TypeDescription {
    const DESCRIPTION: &'static str;
}

impl<T: TypeDescription> TypeDescription for Option<T> {
    const DESCRIPTION: &'static str = T::DESCRIPTION;
}

macro_rules! describe_types {
    ($($type:ty: $text:literal,)*) => {
        $(impl TypeDescription for $type { const DESCRIPTION: &'static str = $text; })*
    };
}

describe_types! {
    String: "a string",
    bool: "true or false",
    u32: "a whole number from 0 to 2147483647",
    i64: "a whole number",
    Vec<String>: "a list of strings",
    Mode: "\"direct\" or \"group\"",
    MessageTime: "Unix seconds (a number; not milliseconds, not text)",
    Event: "one of message, edit, unsend, tapback, attachment_update, group_change, other",
    ReplyVia: "\"commands\" or \"inline\"",
    Tapback: "an object with action and kind",
    Edit: "an object",
    Vec<Attachment>: "a list of objects with a guid each",
}
