//! Which message opens a turn, and when the turn is due.
//!
//! A live text or attachment of another person opens a turn. In a group only a message that may speak to the persona
//! does: its text has the persona's name, or it mentions an address, or it replies to a message. Whether the address
//! is one of the line, and the other message a bubble of ours, is looked up when the turn runs.
//!
//! The turn is due once the chat has been quiet for a while, and at the latest some time after its first message. A
//! voice message whose transcript is still to come delays the turn.

use std::time::Duration;

use shared_protocol::{Address, Attachment, Event, Message, Mode, without_invisible_characters};

use super::persona::Persona;
use crate::clock::Timestamp;
use crate::config::{RepliesConfig, ResponderKind};
use crate::store::{Opens, TurnOpening};

/// A turn is due at the latest this long after its first message.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// The same for a turn with a voice message that lacks its transcript.
const LONGEST_WAIT_FOR_TRANSCRIPT: Duration = Duration::from_secs(20);
/// The service of a message that names none.
const DEFAULT_SERVICE: &str = "iMessage";

/// Which messages open turns.
#[derive(Clone, Debug)]
pub struct TurnRules {
    /// Whether there is a responder. Without one no message opens a turn.
    pub has_responder: bool,
    /// The services whose messages are answered.
    pub services: Vec<String>,
    /// How long a chat has to be quiet before its turn is due.
    pub quiet: Duration,
    pub persona: Persona,
}

impl TurnRules {
    pub fn of(config: &RepliesConfig) -> Self {
        Self {
            has_responder: config.responder != ResponderKind::None,
            services: config.services.clone(),
            quiet: config.quiet,
            persona: Persona::new(&*config.persona_name),
        }
    }

    /// How `message` opens a turn, or makes a waiting one due. `None` if it does neither.
    pub fn opening(&self, message: &Message) -> Option<TurnOpening> {
        let is_live = !message.from_owner
            && !message.is_backfill
            && !message.answered
            && !message.automatic
            && !message.rehearsal;
        if !self.has_responder || !is_live || !self.serves(message) {
            return None;
        }
        let opening = |quiet, opens| TurnOpening {
            quiet,
            longest: LONGEST_WAIT,
            opens,
        };
        match message.event {
            Event::AttachmentUpdate => has_transcript(message)
                .then(|| opening(Duration::ZERO, Opens::NothingButHastensWaitingTurn)),
            Event::Message if !self.may_be_for_persona(message) => None,
            Event::Message if is_one_time_code(&message.text) => None,
            Event::Message if !has_words(&message.text) && message.attachments.is_empty() => None,
            Event::Message => {
                let waits = lacks_transcript(&message.attachments);
                let mut opening = opening(self.quiet_after(&message.text), Opens::Turn);
                if waits {
                    (opening.quiet, opening.longest) =
                        (LONGEST_WAIT_FOR_TRANSCRIPT, LONGEST_WAIT_FOR_TRANSCRIPT);
                }
                Some(opening)
            }
            Event::Edit if message.revision == 0 && has_words(&message.text) => {
                (self.may_be_for_persona(message) && !is_one_time_code(&message.text))
                    .then(|| opening(self.quiet_after(&message.text), Opens::TurnIfTextWasMissing))
            }
            Event::Edit | Event::Unsend | Event::Tapback | Event::GroupChange | Event::Other => {
                None
            }
        }
    }

    /// When the turn of these messages is due. `None` without a message.
    pub fn due<'a>(&self, messages: impl Iterator<Item = DueMessage<'a>>) -> Option<Timestamp> {
        let mut first: Option<Timestamp> = None;
        let mut quiet_until = Timestamp::from_micros(i64::MIN);
        let mut lacks_transcript = false;
        for message in messages {
            let at = message.received_at;
            first = Some(first.map_or(at, |first| first.min(at)));
            quiet_until = quiet_until.max(at.plus(self.quiet_after(message.text)));
            lacks_transcript |= message.lacks_transcript;
        }
        first.map(|first| {
            if lacks_transcript {
                first.plus(LONGEST_WAIT_FOR_TRANSCRIPT)
            } else {
                quiet_until.min(first.plus(LONGEST_WAIT))
            }
        })
    }

    /// How long the chat has to be quiet after this text. After a text that goes on, twice as long.
    fn quiet_after(&self, text: &str) -> Duration {
        if goes_on(text) {
            self.quiet * 2
        } else {
            self.quiet
        }
    }

    /// Whether the service is one whose messages are answered, and the sender a person.
    fn serves(&self, message: &Message) -> bool {
        let named = message.service.as_deref().map(str::trim);
        let service = named.filter(|it| !it.is_empty()).unwrap_or(DEFAULT_SERVICE);
        let is_served = |served: &String| served.eq_ignore_ascii_case(service);
        self.services.iter().any(is_served)
            && Address::parse(&message.sender).is_some_and(|sender| is_of_a_person(&sender))
    }

    fn may_be_for_persona(&self, message: &Message) -> bool {
        match message.mode {
            Mode::Direct => true,
            Mode::Group => {
                self.persona.is_named_in(&message.text)
                    || !message.mentions.is_empty()
                    || message.reply_to_guid.is_some()
            }
        }
    }
}

/// Whether the Mac's owner has taken a conversation over by this message: has typed a text, or sent something else. A
/// machine's text for the owner and an old message that is stored late are no takeover.
pub fn takes_over(message: &Message) -> bool {
    let is_live =
        !message.automatic && !message.is_backfill && !message.answered && !message.rehearsal;
    let is_content = matches!(message.event, Event::Message | Event::Other);
    message.from_owner && is_live && is_content
}

/// What the due time of a turn depends on.
#[derive(Clone, Copy, Debug)]
pub struct DueMessage<'a> {
    pub received_at: Timestamp,
    pub text: &'a str,
    pub lacks_transcript: bool,
}

/// Whether a person can write from this address: a phone number or an e-mail address, but no short code, no name and
/// no `urn:biz:`. A number without its country has at least ten digits, and short codes have fewer.
fn is_of_a_person(address: &Address) -> bool {
    const MIN_DIGITS: usize = 10;
    let is_number = |text: &str| {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        digits >= MIN_DIGITS && !text.contains(char::is_alphabetic)
    };
    let is_business = address.as_str().starts_with("urn:");
    !is_business && (address.is_of_an_account() || is_number(address.as_str()))
}

/// Whether a reader sees something of the text.
fn has_words(text: &str) -> bool {
    !without_invisible_characters(text).trim().is_empty()
}

/// Whether the writer will probably go on: the text ends in a comma, a colon or an ellipsis.
fn goes_on(text: &str) -> bool {
    let text = without_invisible_characters(text);
    let text = text.trim_end();
    text.ends_with([',', ':', '…', '，', '：', '、', '،']) || text.ends_with("...")
}

/// Whether one of the attachments is a voice message that lacks its transcript.
pub(super) fn lacks_transcript(attachments: &[Attachment]) -> bool {
    (attachments.iter()).any(|attachment| is_voice(attachment) && attachment.transcript.is_none())
}

fn has_transcript(message: &Message) -> bool {
    let has = |attachment: &Attachment| attachment.transcript.is_some();
    message.attachments.iter().any(has)
}

/// Whether the attachment was recorded as a voice message. Music has other types, and no transcript.
fn is_voice(attachment: &Attachment) -> bool {
    let mime_type = attachment.mime_type.as_deref().unwrap_or_default();
    let name = attachment.name.as_deref().unwrap_or_default();
    matches!(mime_type, "audio/x-caf" | "audio/caf" | "audio/amr")
        || name.starts_with("Audio Message")
}

/// Whether a service sent the text to prove a number: it has a code, and words that such texts have. People write
/// numbers and some of these words, too, so words that people write count only together.
fn is_one_time_code(text: &str) -> bool {
    const PHRASES: [&str; 13] = [
        "verification code",
        "confirmation code",
        "authentication code",
        "one-time code",
        "one-time pass",
        "one-time pin",
        "bestätigungscode",
        "sicherheitscode",
        "código de verificación",
        "código de seguridad",
        "code de vérification",
        "codice di verifica",
        "验证码",
    ];
    const CODES: [&str; 5] = [
        "security code",
        "login code",
        "sign-in code",
        "access code",
        "passcode",
    ];
    const WARNINGS: [&str; 3] = ["do not share", "don't share", "never share"];
    if !has_code(text) {
        return false;
    }
    let text = text.to_lowercase().replace('’', "'");
    let has_one_of = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
    let is_bound_to_site = || {
        let last_line = text.trim_end().lines().last().unwrap_or_default();
        let mut words = last_line.split(' ');
        let is_host = |word: &str| word.starts_with('@') && word.contains('.');
        words.next().is_some_and(is_host) && words.any(|word| word.starts_with('#'))
    };
    has_one_of(&PHRASES)
        || (has_one_of(&CODES) && text.contains("your "))
        || (has_one_of(&WARNINGS) && text.contains("code"))
        || is_bound_to_site()
}

/// Whether the text has a run of four to eight digits, or two of three digits with a dash or a space in between.
fn has_code(text: &str) -> bool {
    let runs: Vec<&str> = text.split(|c: char| !c.is_ascii_digit()).collect();
    let is_split_code = || {
        text.split(|c: char| !c.is_ascii_digit() && c != '-' && c != ' ')
            .any(|run| {
                let parts: Vec<&str> = run.trim().split(['-', ' ']).collect();
                parts.len() == 2 && parts.iter().all(|part| part.len() == 3)
            })
    };
    runs.iter().any(|run| (4..=8).contains(&run.len())) || is_split_code()
}

#[cfg(test)]
mod tests;
