//! The payload of polls and votes: JSON in a `data:` URL inside the archive.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::keyed_archive::{Archived, keyed_archive};

/// A poll with all its options, as the creation and each added choice carry it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Poll {
    /// What is asked.
    pub title: Option<String>,
    /// The address of the person who asks.
    pub creator: Option<String>,
    /// What can be chosen, in order.
    pub options: Vec<PollOption>,
}

/// One choice of a poll.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PollOption {
    /// `optionIdentifier`, a UUID.
    pub id: String,
    /// What it says.
    pub text: String,
    /// The address of the person who added it.
    pub creator: Option<String>,
}

/// One participant's choice of one option.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PollVote {
    /// `optionIdentifier` of the option.
    pub option: String,
    /// The address of the participant.
    pub voter: String,
}

impl Poll {
    /// A poll by `creator` on `options`, whose ids follow from their texts.
    pub fn new<T: Into<String>>(
        title: impl Into<String>,
        creator: impl Into<String>,
        options: impl IntoIterator<Item = T>,
    ) -> Self {
        let creator = creator.into();
        let option = |text: T| PollOption::new(text, creator.clone());
        Self {
            title: Some(title.into()),
            options: options.into_iter().map(option).collect(),
            creator: Some(creator),
        }
    }

    /// `message.payload_data`
    pub fn payload(&self) -> Vec<u8> {
        let options: Vec<Value> = self.options.iter().map(PollOption::json).collect();
        let mut item = json!({ "orderedPollOptions": options });
        insert(&mut item, "title", self.title.as_ref());
        insert(&mut item, "creatorHandle", self.creator.as_ref());
        payload(&item, self.title.as_deref())
    }
}

impl PollOption {
    /// An option by `creator`; its id follows from its text.
    pub fn new(text: impl Into<String>, creator: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            id: Self::id_of(&text),
            text,
            creator: Some(creator.into()),
        }
    }

    /// The id that an option of this text gets if no other is given.
    pub fn id_of(text: &str) -> String {
        crate::Guids::from_text(&format!("option {text}")).next_guid()
    }

    fn json(&self) -> Value {
        let mut option = json!({
            "optionIdentifier": self.id,
            "text": self.text,
            "canBeEdited": false,
        });
        insert(&mut option, "creatorHandle", self.creator.as_ref());
        option
    }
}

/// `message.payload_data` of a vote: everything that its sender has chosen. An empty list withdraws.
pub fn votes_payload(votes: &[PollVote]) -> Vec<u8> {
    let votes = votes.iter().map(|vote| {
        json!({
            "voteOptionIdentifier": vote.option,
            "participantHandle": vote.voter,
        })
    });
    let votes: Vec<Value> = votes.collect();
    payload(&json!({ "votes": votes }), None)
}

fn insert(object: &mut Value, key: &str, text: Option<&String>) {
    if let Some(text) = text {
        object[key] = Value::String(text.clone());
    }
}

fn payload(item: &Value, title: Option<&str>) -> Vec<u8> {
    let json = json!({ "version": 1, "item": item }).to_string();
    let url = format!("data:,{}?src=p&c=2", STANDARD.encode(json));
    keyed_archive(&Archived::dictionary([
        ("URL", Some(Archived::Url(url))),
        ("an", Some(Archived::text("Polls"))),
        ("ldtext", title.map(Archived::text)),
        (
            "layoutClass",
            Some(Archived::text("MSMessageTemplateLayout")),
        ),
    ]))
}
