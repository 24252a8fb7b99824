//! Reads and checks the body of a pull.

use std::collections::BTreeSet;
use std::time::Duration;

use shared_protocol::{
    Ack, After, InvalidMessage, LeaseChange, MAX_ACKS, MAX_BUBBLES, MAX_GUID_CHARS,
    MAX_PULL_WAIT_SECS, MAX_SEQ, PullRequest, RelayName, Violation,
};

use super::fields::{is_plain, violation};
use super::lines;
use crate::relay::auth::Caller;
use crate::store::LineAddress;

const MAX_INSTANCE_ID_CHARS: usize = 64;
const MAX_STATUS_TEXT_CHARS: usize = 64;
const MAX_DOCTOR_CODES: usize = 64;
const MAX_COMMAND_ID_CHARS: usize = 208;
const MAX_ACK_CODE_CHARS: usize = 64;

/// A relay's request for commands, whose fields are valid.
#[derive(Debug)]
pub struct Pull {
    pub(super) request: PullRequest,
    /// The relay's own addresses. Empty if the heartbeat has no lines.
    pub(super) own_addresses: BTreeSet<LineAddress>,
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
        ack_violations(&request.acks, &mut found);
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

    /// The change of the lease that the pull asks for.
    pub fn lease(&self) -> Option<LeaseChange> {
        self.request.lease
    }

    /// How long the pull waits for a command.
    pub fn wait(&self) -> Duration {
        Duration::from_secs(u64::from(self.request.wait_seconds))
    }

    /// The newest command that the relay has stored. `None` for a relay of the first release, which knows no commands.
    pub fn after(&self) -> Option<&After> {
        self.request.after.as_ref()
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
            "after",
            request.after.as_ref().is_none_or(|after| {
                (0..=MAX_SEQ).contains(&after.seq)
                    && (after.seq == 0 || !after.id.is_empty())
                    && is_plain(&after.id, MAX_COMMAND_ID_CHARS)
            }),
            format!(
                "a number from 0 and, above 0, an id of 1 to {MAX_COMMAND_ID_CHARS} plain characters"
            ),
        ),
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

/// Adds the rules that acks break to `found`. The time of an ack breaks none, since the Mac's clock may be wrong.
fn ack_violations(acks: &[Ack], found: &mut Vec<Violation>) {
    if acks.len() > MAX_ACKS {
        found.push(violation("acks", format!("at most {MAX_ACKS}")));
        return;
    }
    for (n, ack) in acks.iter().enumerate() {
        let is_short = |text: &Option<String>, max_chars: usize| {
            text.iter().all(|text| is_plain(text, max_chars))
        };
        let rules = [
            (
                "id",
                !ack.id.is_empty() && is_plain(&ack.id, MAX_COMMAND_ID_CHARS),
                format!("1 to {MAX_COMMAND_ID_CHARS} characters, no control characters"),
            ),
            (
                "bubble",
                usize::try_from(ack.bubble).is_ok_and(|bubble| bubble < MAX_BUBBLES),
                format!("less than {MAX_BUBBLES}"),
            ),
            (
                "code",
                is_short(&ack.code, MAX_ACK_CODE_CHARS),
                format!("at most {MAX_ACK_CODE_CHARS} characters, no control characters"),
            ),
            (
                "message_guid",
                is_short(&ack.message_guid, MAX_GUID_CHARS),
                format!("at most {MAX_GUID_CHARS} characters, no control characters"),
            ),
        ];
        for (field, _, rule) in rules.into_iter().filter(|(_, holds, _)| !holds) {
            found.push(violation(&format!("acks[{n}].{field}"), rule));
        }
    }
}
