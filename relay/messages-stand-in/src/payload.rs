//! `message.payload_data` of balloons: links, polls, and texts of other apps.
//!
//! Each payload is a keyed archive with the keys and classes of real rows. Absent fields are left out. Polls
//! and votes are JSON in a `data:` URL inside the archive.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::keyed_archive::{Archived, keyed_archive};
use crate::{AppBalloon, Poll, PollOption, RichLink, UrlClass};

/// `balloon_bundle_id` of a link.
pub const URL_BALLOON: &str = "com.apple.messages.URLBalloonProvider";
/// `balloon_bundle_id` of a poll, of a choice added to it, and of a vote.
pub const POLL_BALLOON: &str = "com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:\
                                com.apple.messages.Polls";

/// `associated_message_type` of a row that adds a choice to a poll.
pub(crate) const ADDED_CHOICE_TYPE: i64 = 2;
/// `associated_message_type` of a vote.
pub(crate) const VOTE_TYPE: i64 = 4000;

/// Content of a balloon. `payload` returns the bytes of `message.payload_data`.
pub trait Payload {
    fn payload(&self) -> Vec<u8>;
}

/// One option that a person has chosen in a poll.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PollVote {
    /// The id of the option.
    pub option: String,
    /// The address of the person.
    pub voter: String,
}

impl Payload for AppBalloon {
    fn payload(&self) -> Vec<u8> {
        let text = |text: &Option<String>| text.as_ref().map(Archived::text);
        let texts = [
            ("caption", text(&self.caption)),
            ("subcaption", text(&self.subcaption)),
        ];
        let has_texts = texts.iter().any(|(_, text)| text.is_some());
        keyed_archive(&Archived::dictionary([
            ("an", text(&self.app)),
            ("ldtext", text(&self.spoken)),
            ("layoutClass", has_texts.then(layout_class)),
            ("userInfo", has_texts.then(|| Archived::dictionary(texts))),
            ("URL", self.url.clone().map(Archived::Url)),
        ]))
    }
}

impl Payload for RichLink {
    /// A `RichLink` whose `richLinkMetadata` is an `LPLinkMetadata`.
    fn payload(&self) -> Vec<u8> {
        let url = |url: &String| match self.class {
            UrlClass::Url => Archived::Url(url.clone()),
            UrlClass::Text => Archived::text(url),
        };
        let metadata = Archived::object(
            "LPLinkMetadata",
            [
                ("version", Some(Archived::Plain(1.into()))),
                ("originalURL", self.original_url.as_ref().map(url)),
                ("URL", self.url.as_ref().map(url)),
                ("title", self.title.as_ref().map(Archived::text)),
                ("icon", Some(Archived::Null)),
            ],
        );
        keyed_archive(&Archived::object(
            "RichLink",
            [
                ("richLinkMetadata", Some(metadata)),
                ("richLinkIsPlaceholder", Some(Archived::Plain(false.into()))),
            ],
        ))
    }
}

impl Payload for Poll {
    fn payload(&self) -> Vec<u8> {
        let options: Vec<Value> = self.options.iter().map(option_json).collect();
        let mut item = json!({ "orderedPollOptions": options });
        insert_text(&mut item, "title", self.title.as_ref());
        insert_text(&mut item, "creatorHandle", self.creator.as_ref());
        poll_payload(&item, self.title.as_deref())
    }
}

impl Payload for [PollVote] {
    /// The payload of a vote: all options that the sender has chosen. An empty list withdraws the vote.
    fn payload(&self) -> Vec<u8> {
        let votes = self.iter().map(|vote| {
            json!({
                "voteOptionIdentifier": vote.option,
                "participantHandle": vote.voter,
            })
        });
        let votes: Vec<Value> = votes.collect();
        poll_payload(&json!({ "votes": votes }), None)
    }
}

/// The JSON of an option.
fn option_json(option: &PollOption) -> Value {
    let mut json = json!({
        "optionIdentifier": option.id,
        "text": option.text,
        "canBeEdited": false,
    });
    insert_text(&mut json, "creatorHandle", option.creator.as_ref());
    json
}

/// Sets a field, unless its text is absent.
fn insert_text(object: &mut Value, key: &str, text: Option<&String>) {
    if let Some(text) = text {
        object[key] = Value::String(text.clone());
    }
}

/// The payload of a poll or vote, whose JSON is `item`.
fn poll_payload(item: &Value, title: Option<&str>) -> Vec<u8> {
    let json = json!({ "version": 1, "item": item }).to_string();
    let url = format!("data:,{}?src=p&c=2", STANDARD.encode(json));
    keyed_archive(&Archived::dictionary([
        ("URL", Some(Archived::Url(url))),
        ("an", Some(Archived::text("Polls"))),
        ("ldtext", title.map(Archived::text)),
        ("layoutClass", Some(layout_class())),
    ]))
}

fn layout_class() -> Archived {
    Archived::text("MSMessageTemplateLayout")
}
