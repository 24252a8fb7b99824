//! The command line of `osascript`, and what the relay's script is asked to do by it.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    FindChat,
    SendToChat,
    SendToParticipant,
}

/// Where a text goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The chat with this guid.
    Chat(String),
    Participant {
        service: String,
        address: String,
    },
}

/// What one start of `osascript` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    FindChat(String),
    Send { target: Target, text: String },
}

/// Why the stand-in does nothing for a start of `osascript`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "expected the arguments `-l AppleScript - VERB VALUES…`, and the script on standard input"
    )]
    Arguments,
    #[error(
        "standard input holds another script than the relay's, relay/src/dispatch/script.applescript"
    )]
    OtherScript,
    #[error("the relay's script knows no verb {0:?} with {1} values")]
    Verb(String, usize),
}

/// The argv for the script, out of the arguments of `osascript`.
pub fn parse_arguments(arguments: &[String]) -> Result<&[String], Refusal> {
    match arguments {
        [option, language, stdin, argv @ ..]
            if option == "-l" && language == "AppleScript" && stdin == "-" =>
        {
            Ok(argv)
        }
        [stdin, argv @ ..] if stdin == "-" => Ok(argv),
        _ => Err(Refusal::Arguments),
    }
}

impl Call {
    pub fn parse(argv: &[String]) -> Result<Self, Refusal> {
        let Some((verb, values)) = argv.split_first() else {
            return Err(Refusal::Verb(String::new(), 0));
        };
        match (verb.as_str(), values) {
            ("find-chat", [chat]) => Ok(Self::FindChat(chat.clone())),
            ("send-to-chat", [chat, text]) => Ok(Self::Send {
                target: Target::Chat(chat.clone()),
                text: text.clone(),
            }),
            ("send-to-participant", [service, address, text]) => Ok(Self::Send {
                target: Target::Participant {
                    service: service.clone(),
                    address: address.clone(),
                },
                text: text.clone(),
            }),
            _ => Err(Refusal::Verb(verb.clone(), values.len())),
        }
    }

    pub fn verb(&self) -> Verb {
        match self {
            Self::FindChat(_) => Verb::FindChat,
            Self::Send { target, .. } => match target {
                Target::Chat(_) => Verb::SendToChat,
                Target::Participant { .. } => Verb::SendToParticipant,
            },
        }
    }

    /// The guid of the chat, or the address of the participant.
    pub fn addressee(&self) -> &str {
        match self {
            Self::FindChat(chat) => chat,
            Self::Send { target, .. } => target.addressee(),
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Self::FindChat(_) => None,
            Self::Send { text, .. } => Some(text),
        }
    }
}

impl Target {
    /// The guid of the chat, or the address of the participant.
    pub fn addressee(&self) -> &str {
        match self {
            Self::Chat(guid) => guid,
            Self::Participant { address, .. } => address,
        }
    }
}
