//! A relay's heartbeat: checks a pull, stores the relay's status, and binds the relay to one installation.
//!
//! A lease binds a relay's name to one installation. A pull changes the lease and the status, so a signed pull is
//! accepted only once, like a message. The pull of a rehearsal takes a lease and
//! stores its status under the rehearsal's own relay name; its lines are not stored, and it sets no metric.

mod lines;

use std::collections::BTreeSet;
use std::time::Duration;

use shared_protocol::{
    InvalidMessage, MAX_PULL_WAIT_SECS, MessageTime, NewestMessage, PullRequest, RelayName,
    Violation,
};

use crate::clock::Timestamp;
use crate::relay::auth::Caller;
use crate::store::{Lease, LineAddress, LinesUpdate, NewestRow, ReplayCheck, Store, StoreError};

const MAX_INSTANCE_ID_CHARS: usize = 64;
const MAX_STATUS_TEXT_CHARS: usize = 64;
const MAX_DOCTOR_CODES: usize = 64;

/// A relay's request for commands, whose fields are valid.
#[derive(Debug)]
pub struct Pull {
    request: PullRequest,
    /// The relay's own addresses. Empty if the heartbeat has no lines.
    own_addresses: BTreeSet<LineAddress>,
}

/// Why a pull failed.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    #[error("replayed")]
    Replayed,
    #[error("another installation holds the relay's name")]
    Elsewhere,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Pull {
    /// Reads and checks a body.
    pub fn from_json(body: &[u8]) -> Result<Self, InvalidMessage> {
        let request: PullRequest = serde_json::from_slice(body).map_err(|error| {
            // Serde's error message may repeat a value of the body, so only the position is passed on.
            let position = format!("line {}, column {}", error.line(), error.column());
            if error.is_data() {
                let rule = format!("not a pull request ({position})");
                InvalidMessage::Fields(vec![violation("(body)", rule)])
            } else {
                InvalidMessage::Json(format!("the body is not JSON ({position})"))
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
            Err(InvalidMessage::Fields(found))
        }
    }

    /// How long the pull waits for a command.
    pub fn wait(&self) -> Duration {
        Duration::from_secs(u64::from(self.request.wait_seconds))
    }

    /// The relay name under which the lease, the commands and the newest message are stored.
    pub fn relay(&self, caller: &Caller) -> RelayName {
        if self.request.rehearsal {
            caller.relay().rehearsal()
        } else {
            caller.relay().clone()
        }
    }
}

/// Stores the receipt of the request, takes or renews the lease, and stores the relay's status.
pub async fn heartbeat(
    store: &Store,
    caller: &Caller,
    pull: &Pull,
    now: Timestamp,
) -> Result<(), PullError> {
    if let Some(receipt) = caller.receipt()
        && store.take_receipt(&receipt, now).await? == ReplayCheck::Replay
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
        && let LinesUpdate::Changed { conversations } =
            store.set_lines(&relay, &pull.own_addresses).await?
    {
        tracing::info!(
            relay = relay.as_str(),
            addresses = pull.own_addresses.len(),
            conversations,
            "a relay's lines changed; its conversations were renamed accordingly"
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
    let status = &request.status;
    let is_status_text = |text: &String| is_plain(text, MAX_STATUS_TEXT_CHARS);
    let rules = [
        (
            "instance_id",
            !request.instance_id.is_empty()
                && is_plain(&request.instance_id, MAX_INSTANCE_ID_CHARS),
            format!("1 to {MAX_INSTANCE_ID_CHARS} characters, no control characters"),
        ),
        (
            "wait_seconds",
            request.wait_seconds <= MAX_PULL_WAIT_SECS,
            format!("at most {MAX_PULL_WAIT_SECS}"),
        ),
        ("after_seq", request.after_seq >= 0, "at least 0".to_owned()),
        (
            "status",
            is_status_text(&status.version) && status.environment.iter().all(is_status_text),
            format!(
                "version and environment: at most {MAX_STATUS_TEXT_CHARS} characters, no control characters"
            ),
        ),
        (
            "status.doctor_codes",
            status.doctor_codes.len() <= MAX_DOCTOR_CODES
                && status.doctor_codes.iter().all(is_status_text),
            format!(
                "at most {MAX_DOCTOR_CODES} codes, each of at most {MAX_STATUS_TEXT_CHARS} characters, \
                 no control characters"
            ),
        ),
    ];
    let broken = rules.into_iter().filter(|(_, holds, _)| !holds);
    broken
        .map(|(field, _, rule)| violation(field, rule))
        .collect()
}

/// Whether `text` has at most `max_chars` characters and no control characters.
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
