//! Redacts the property lists in `payload_data` and `user_info`.
//!
//! Only known keys and class names are kept. Every other text is replaced like a text of a person, and every
//! number, date and byte becomes 0, so that unknown values reveal nothing either. The structure stays: a poll
//! keeps the number of its options, a link keeps its scheme.

use std::io::Cursor;
use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use messages_script::is_guid;
use plist::{Date, Dictionary, Value};
use serde_json::Value as Json;

use super::has_word;
use super::redact::Redactor;

/// Texts that software writes: keys and layouts of balloons, and keys of the details of an attachment.
const TECHNICAL: &str = "\
    $null NSKeyedArchiver
    URL an ai appid caption image-subtitle image-title layoutClass ldtext liveLayoutInfo
    MSMessageLiveLayout MSMessageTemplateLayout secondary-subcaption sessionIdentifier
    subcaption tertiary-subcaption userInfo
    audio-transcription com.apple.coreaudio-format decryption-key file-size mime-type
    mmcs-owner mmcs-signature-hex mmcs-url name uti-type";

/// Query of a poll's URL, which Messages writes.
const POLL_QUERY: &str = "src=p&c=2";

/// Known fields of a poll's JSON. The name of another field may be a text of a person.
const POLL_FIELDS: &str = "\
    attributedText canBeEdited creatorHandle item optionIdentifier orderedPollOptions
    participantHandle text title version voteOptionIdentifier votes";

impl Redactor {
    /// The redacted property list; `None` if `bytes` is no property list.
    pub(super) fn property_list(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let list = Value::from_reader(Cursor::new(bytes)).ok()?;
        let list = list.into_dictionary()?;
        let list = if list.contains_key("$archiver") {
            self.archive(list)?
        } else {
            self.dictionary(list)
        };
        let mut redacted = Vec::new();
        list.to_writer_binary(&mut redacted).ok()?;
        Some(redacted)
    }

    /// Redacts the objects of a keyed archive.
    fn archive(&mut self, mut archive: Dictionary) -> Option<Value> {
        let root = archive
            .get("$top")?
            .as_dictionary()?
            .get("root")?
            .as_uid()?;
        let top = Dictionary::from_iter([("root".to_owned(), Value::Uid(*root))]);
        let objects = archive.remove("$objects")?.into_array()?;
        let objects = objects.into_iter().map(|object| self.object(object));
        let archive = [
            ("$version", Value::Integer(100_000.into())),
            ("$archiver", Value::String("NSKeyedArchiver".to_owned())),
            ("$top", Value::Dictionary(top)),
            ("$objects", Value::Array(objects.collect())),
        ];
        let archive = archive.map(|(key, value)| (key.to_owned(), value));
        Some(Value::Dictionary(archive.into_iter().collect()))
    }

    /// Redacts an object of a keyed archive, but keeps the names of its fields, which software writes. The keys
    /// of an archived dictionary are redacted, because the archive has them among the values.
    fn object(&mut self, object: Value) -> Value {
        match object {
            Value::Dictionary(class) if class.contains_key("$classname") => {
                Value::Dictionary(class)
            }
            Value::Dictionary(fields) => {
                let fields = fields.into_iter();
                let fields = fields.map(|(key, value)| (key, self.object(value)));
                Value::Dictionary(fields.collect())
            }
            Value::Array(values) => {
                let values = values.into_iter().map(|value| self.object(value));
                Value::Array(values.collect())
            }
            scalar => self.scalar(scalar),
        }
    }

    /// Redacts a property list that is no archive.
    fn dictionary(&mut self, fields: Dictionary) -> Value {
        let fields = fields.into_iter().map(|(key, value)| {
            let value = match value {
                Value::Dictionary(fields) => self.dictionary(fields),
                // Messages is not known to write arrays here.
                Value::Array(_) => Value::Array(Vec::new()),
                scalar => self.scalar(scalar),
            };
            (self.list_text(&key), value)
        });
        Value::Dictionary(fields.collect())
    }

    fn scalar(&mut self, scalar: Value) -> Value {
        match scalar {
            Value::String(text) => Value::String(self.list_text(&text)),
            Value::Data(data) => Value::Data(vec![0; data.len()]),
            Value::Integer(_) => Value::Integer(0.into()),
            Value::Real(_) => Value::Real(0.0),
            Value::Date(_) => Value::Date(Date::from(UNIX_EPOCH)),
            other => other,
        }
    }

    /// Redacts a text of a property list, except the texts of [`TECHNICAL`].
    fn list_text(&mut self, text: &str) -> String {
        if has_word(TECHNICAL, text) {
            return text.to_owned();
        }
        if let Some(url) = self.poll_url(text) {
            return url;
        }
        self.link(text)
    }

    /// The URL of a poll, with redacted JSON; `None` for another text.
    fn poll_url(&mut self, url: &str) -> Option<String> {
        let encoded = url.strip_prefix("data:,")?;
        let (encoded, query) = encoded.split_once('?').unwrap_or((encoded, ""));
        let json = STANDARD.decode(encoded).ok()?;
        let json = self.json(serde_json::from_slice(&json).ok()?, "");
        let query = match query {
            POLL_QUERY => query.to_owned(),
            other => self.text(other),
        };
        Some(format!(
            "data:,{}?{query}",
            STANDARD.encode(json.to_string())
        ))
    }

    /// Redacts a value of a poll's JSON. `field` is the name of the field that has it.
    fn json(&mut self, json: Json, field: &str) -> Json {
        match json {
            // The field is `optionIdentifier` or `voteOptionIdentifier`.
            Json::String(id) if field.ends_with("ptionIdentifier") && is_guid(&id) => {
                Json::String(id)
            }
            Json::String(address) if field.ends_with("Handle") => {
                Json::String(self.address(&address))
            }
            Json::String(text) => Json::String(self.text(&text)),
            Json::Array(values) => values.into_iter().map(|v| self.json(v, field)).collect(),
            Json::Object(fields) => {
                let fields = fields.into_iter().map(|(field, value)| {
                    let value = self.json(value, &field);
                    let is_known = has_word(POLL_FIELDS, &field);
                    (if is_known { field } else { self.text(&field) }, value)
                });
                Json::Object(fields.collect())
            }
            Json::Number(_) if field != "version" => 0.into(),
            other => other,
        }
    }
}
