//! How many connections the process may hold: each needs a file descriptor.
//!
//! Many systems start a process with a soft limit of 1,024 descriptors and a far higher hard one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As many descriptors as are asked for. Some systems refuse more than they would ever hand out.
const WANTED: u64 = 10_240;
/// What the databases, the log and the clients of other services need.
const KEPT_BACK: u64 = 128;
/// Where the limit is so low that nothing would be left.
const AT_LEAST: usize = 64;

/// Raises the soft limit, and tells how many connections fit below it.
pub(super) fn for_connections() -> usize {
    let limit = raise();
    let left = limit.saturating_sub(KEPT_BACK);
    usize::try_from(left).unwrap_or(usize::MAX).max(AT_LEAST)
}

/// Raises the soft limit as far as is wanted and allowed; tells where it stands.
fn raise() -> u64 {
    let before = getrlimit(Resource::Nofile);
    let soft = before.current.unwrap_or(u64::MAX);
    let wanted = WANTED.min(before.maximum.unwrap_or(u64::MAX));
    if soft >= wanted {
        return soft;
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum: before.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(error) => {
            tracing::warn!(soft, error = %error, "the limit of open files cannot be raised");
            soft
        }
    }
}
