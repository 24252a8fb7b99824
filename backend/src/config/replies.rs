//! Replies: who writes them, which messages are answered, and when.

use std::time::Duration;

use jiff::tz::TimeZone;

use super::Reader;

/// Settings of replies.
#[derive(Clone, Debug)]
pub struct RepliesConfig {
    pub responder: ResponderKind,
    /// The services whose messages are answered: `iMessage`, `SMS`, …
    pub services: Vec<String>,
    /// How long a chat has to be quiet before its turn is due.
    pub quiet: Duration,
    /// How many turns one replica answers at a time.
    pub workers: usize,
    pub persona_name: String,
    /// The zone of people whose zone is not known.
    pub time_zone: TimeZone,
}

/// Who writes replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr, strum::EnumString)]
#[strum(serialize_all = "snake_case")]
pub enum ResponderKind {
    /// A table of answers, in development.
    Canned,
    /// No messages are answered.
    None,
}

const MAX_QUIET_MS: u64 = 10_000;
const MAX_WORKERS: usize = 1_000;

impl RepliesConfig {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let responder = reader.value("RESPONDER", |text| text.parse().ok());
        if responder == ResponderKind::Canned && reader.is_production() {
            let message = "canned answers from a table and works in development only; set none";
            reader.refuse("RESPONDER", message);
        }
        Self {
            responder,
            services: reader.value("RESPOND_SERVICES", parse_services),
            quiet: reader.value("TURN_QUIET_MS", |text| {
                let millis = text.parse().ok();
                let millis = millis.filter(|millis| *millis <= MAX_QUIET_MS)?;
                Some(Duration::from_millis(millis))
            }),
            workers: reader.value("TURN_WORKERS", |text| {
                let workers = text.parse().ok();
                workers.filter(|workers| (1..=MAX_WORKERS).contains(workers))
            }),
            persona_name: reader.value("PERSONA_NAME", parse_name),
            time_zone: reader.value("DEFAULT_TIME_ZONE", parse_time_zone),
        }
    }

    pub(super) fn shown_services(&self) -> String {
        self.services.join(",")
    }

    pub(super) fn shown_time_zone(&self) -> String {
        self.time_zone.iana_name().unwrap_or("UTC").to_owned()
    }
}

fn parse_services(text: &str) -> Option<Vec<String>> {
    let services: Vec<String> = text.split(',').map(|it| it.trim().to_owned()).collect();
    let is_name = |service: &String| {
        (1..=64).contains(&service.len()) && service.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    services.iter().all(is_name).then_some(services)
}

/// A name: 1 to 40 letters, digits, spaces, dashes and apostrophes.
fn parse_name(text: &str) -> Option<String> {
    let text = text.trim();
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '\'' | '’');
    let fits = (1..=40).contains(&text.chars().count()) && text.chars().all(is_part);
    (fits && text.contains(char::is_alphanumeric)).then(|| text.to_owned())
}

/// A name of the IANA database such as `Europe/Berlin`. The database is part of the binary.
fn parse_time_zone(text: &str) -> Option<TimeZone> {
    TimeZone::get(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Variables};

    fn read(
        environment: Environment,
        pairs: &[(&str, &str)],
    ) -> (RepliesConfig, Vec<&'static str>) {
        let variables = Variables::of(pairs.iter().copied());
        let mut reader = Reader::new(&variables, environment);
        let config = RepliesConfig::read(&mut reader);
        let refused = reader.problems.0.iter().map(|it| it.key).collect();
        (config, refused)
    }

    #[test]
    fn without_settings_no_message_is_answered() {
        let (config, refused) = read(Environment::Production, &[]);
        assert_eq!(refused, Vec::<&str>::new());
        assert_eq!(config.responder, ResponderKind::None);
        assert_eq!(config.services, ["iMessage"]);
        assert_eq!(config.quiet, Duration::from_secs(2));
        assert_eq!((config.workers, &*config.persona_name), (64, "sage"));
        assert_eq!(config.shown_time_zone(), "UTC");
    }

    #[test]
    fn canned_answers_are_for_development() {
        let canned = [("RESPONDER", "canned")];
        let (config, refused) = read(Environment::Development, &canned);
        assert_eq!((config.responder, refused), (ResponderKind::Canned, vec![]));
        let (_, refused) = read(Environment::Production, &canned);
        assert_eq!(refused, ["RESPONDER"]);
    }

    #[test]
    fn values_that_cannot_be_read_are_refused() {
        let (_, refused) = read(
            Environment::Development,
            &[
                ("RESPONDER", "openai"),
                ("RESPOND_SERVICES", "iMessage,,SMS"),
                ("TURN_QUIET_MS", "10001"),
                ("TURN_WORKERS", "0"),
                ("PERSONA_NAME", "<b>"),
                ("DEFAULT_TIME_ZONE", "Mars/Olympus"),
            ],
        );
        assert_eq!(refused.len(), 6, "{refused:?}");
        let (config, refused) = read(
            Environment::Development,
            &[
                ("RESPOND_SERVICES", "iMessage, SMS"),
                ("TURN_QUIET_MS", "0"),
                ("PERSONA_NAME", " Zoë "),
                ("DEFAULT_TIME_ZONE", "America/New_York"),
            ],
        );
        assert_eq!(refused, Vec::<&str>::new());
        assert_eq!(config.services, ["iMessage", "SMS"]);
        assert_eq!(
            (config.quiet, &*config.persona_name),
            (Duration::ZERO, "Zoë")
        );
        assert_eq!(config.shown_time_zone(), "America/New_York");
    }
}
