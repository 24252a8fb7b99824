//! Names that a script gives to messages, so that later steps can refer to them.

use serde::{Deserialize, Serialize};

use crate::Guids;

/// A message's name within a script, or its guid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Label(pub String);

impl Label {
    /// The guid that a message of this name gets if the script doesn't say.
    pub fn guid(&self) -> String {
        Guids::from_text(&self.0).next_guid()
    }

    /// The name of the so-many-th message that the script doesn't name.
    pub fn unnamed(number: u32) -> Self {
        Self(format!("unnamed message {number}"))
    }
}

impl From<&str> for Label {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}
