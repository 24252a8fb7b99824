//! A relay's heartbeat: checked, remembered, bound to one installation.
//!
//! A pull changes something (the lease, the heartbeat), so a signed one counts once, as a message does.
//! A rehearsal's pull takes a lease of its own and tells nothing about the relay.

mod lines;

use std::collections::BTreeSet;
use std::time::Duration;

use shared_protocol::{
    MAX_PULL_WAIT_SECS, MessageTime, NewestMessage, PullRequest, RelayName, Violation,
};

use crate::clock::Timestamp;
use crate::relay::auth::Caller;
use crate::store::{Lease, LineAddress, LinesTold, NewestRow, Seen, Store, StoreError};

const MAX_INSTANCE_ID_CHARS: usize = 64;
const MAX_VERSION_CHARS: usize = 64;
const MAX_DOCTOR_CODES: usize = 64;

/// A well-formed pull.
#[derive(Debug)]
pub struct Pull {
    request: PullRequest,
    /// The relay's own addresses; empty from a relay that does not tell them.
    own_addresses: BTreeSet<LineAddress>,
}

/// Why a pull got nothing.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The body is not JSON.
    #[error("{0}")]
    Json(String),
    /// Fields break rules.
    #[error("{} field(s) break a rule", .0.len())]
    Fields(Vec<Violation>),
    /// The signed request was seen before.
    #[error("replayed")]
    Replayed,
    /// Another installation holds the relay's name.
    #[error("another installation holds the relay's name")]
    Elsewhere,
    /// The database did not do its work.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Pull {
    /// Reads and checks a body.
    pub fn from_json(body: &[u8]) -> Result<Self, PullError> {
        let request: PullRequest = serde_json::from_slice(body).map_err(|error| {
            // Serde's own words may repeat a value.
            let position = format!("line {}, column {}", error.line(), error.column());
            if error.is_data() {
                PullError::Fields(vec![violation(
                    "(body)",
                    format!("not a pull request ({position})"),
                )])
            } else {
                PullError::Json(format!("the body is not JSON ({position})"))
            }
        })?;
        let mut found = violations(&request);
        let own_addresses = lines::own_addresses(&request.status.lines, &mut found);
        if found.is_empty() {
            Ok(Self {
                request,
                own_addresses,
            })
        } else {
            Err(PullError::Fields(found))
        }
    }

    /// How long to wait for a command.
    pub fn wait(&self) -> Duration {
        Duration::from_secs(u64::from(self.request.wait_seconds))
    }

    /// Whose lease, commands and newest message this is about.
    pub fn relay(&self, caller: &Caller) -> RelayName {
        if self.request.rehearsal {
            caller.relay().rehearsal()
        } else {
            caller.relay().clone()
        }
    }
}

/// Remembers the request, takes or renews the lease, and notes how the relay is doing.
pub async fn heartbeat(
    store: &Store,
    caller: &Caller,
    pull: &Pull,
    now: Timestamp,
) -> Result<(), PullError> {
    if let Some(receipt) = caller.receipt()
        && store.take_receipt(&receipt, now).await? == Seen::Before
    {
        return Err(PullError::Replayed);
    }
    let request = &pull.request;
    let relay = pull.relay(caller);
    match store
        .renew_lease(&relay, &request.instance_id, &request.status, now)
        .await?
    {
        Lease::Held => {}
        Lease::Elsewhere => return Err(PullError::Elsewhere),
    }
    if request.rehearsal {
        return Ok(());
    }
    if !pull.own_addresses.is_empty()
        && let LinesTold::New { conversations } =
            store.tell_lines(&relay, &pull.own_addresses).await?
    {
        tracing::info!(
            relay = relay.as_str(),
            addresses = pull.own_addresses.len(),
            conversations,
            "a relay's lines changed; conversations came under the names of their lines"
        );
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "Unix seconds are far below 2^53"
    )]
    metrics::gauge!("relay_last_seen_timestamp_seconds", "relay" => relay.to_string())
        .set(now.as_secs() as f64);
    Ok(())
}

fn violations(request: &PullRequest) -> Vec<Violation> {
    let mut found = Vec::new();
    if !is_plain(&request.instance_id, MAX_INSTANCE_ID_CHARS) || request.instance_id.is_empty() {
        let rule = format!("1 to {MAX_INSTANCE_ID_CHARS} characters, no control characters");
        found.push(violation("instance_id", rule));
    }
    if request.wait_seconds > MAX_PULL_WAIT_SECS {
        found.push(violation(
            "wait_seconds",
            format!("at most {MAX_PULL_WAIT_SECS}"),
        ));
    }
    if request.after_seq < 0 {
        found.push(violation("after_seq", "at least 0"));
    }
    let status = &request.status;
    let texts = [Some(&status.version), status.environment.as_ref()];
    if !texts
        .into_iter()
        .flatten()
        .all(|text| is_plain(text, MAX_VERSION_CHARS))
    {
        let rule = format!("version and environment: at most {MAX_VERSION_CHARS} plain characters");
        found.push(violation("status", rule));
    }
    if status.doctor_codes.len() > MAX_DOCTOR_CODES
        || !status
            .doctor_codes
            .iter()
            .all(|code| is_plain(code, MAX_VERSION_CHARS))
    {
        let rule = format!("at most {MAX_DOCTOR_CODES} codes of plain characters");
        found.push(violation("status.doctor_codes", rule));
    }
    found
}

fn is_plain(text: &str, max_chars: usize) -> bool {
    text.chars().count() <= max_chars && !text.chars().any(char::is_control)
}

fn violation(field: &str, message: impl Into<String>) -> Violation {
    Violation {
        field: field.to_owned(),
        message: message.into(),
    }
}

impl From<NewestRow> for NewestMessage {
    fn from(row: NewestRow) -> Self {
        Self {
            message_guid: row.message_guid,
            timestamp: MessageTime::from_micros(row.sent_at.as_micros()),
        }
    }
}
