//! The number of connections that the process can have. Each connection needs a file descriptor.
//!
//! Many systems start a process with a soft limit of 1,024 descriptors. The process may raise this limit itself, up to
//! a hard limit, which is far higher.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The soft limit that is requested. Some systems refuse a request for far more than they can give.
const REQUESTED: u64 = 10_240;
/// The descriptors that the databases, the log and the clients of other services need.
const RESERVED: u64 = 128;
/// So many connections are allowed in any case, even if too few descriptors remain for them.
const MIN_CONNECTIONS: usize = 64;

/// Raises the soft limit of descriptors, and returns how many connections fit below it.
pub(super) fn raise_limit_for_connections() -> usize {
    let limit = raise_soft_limit();
    let available = limit.saturating_sub(RESERVED);
    usize::try_from(available)
        .unwrap_or(usize::MAX)
        .max(MIN_CONNECTIONS)
}

/// Raises the soft limit as far as requested and allowed, and returns it.
fn raise_soft_limit() -> u64 {
    let before = getrlimit(Resource::Nofile);
    let soft = before.current.unwrap_or(u64::MAX);
    let requested = REQUESTED.min(before.maximum.unwrap_or(u64::MAX));
    if soft >= requested {
        return soft;
    }
    let raised = Rlimit {
        current: Some(requested),
        maximum: before.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => requested,
        Err(error) => {
            tracing::warn!(soft, error = %error, "the limit of open files cannot be raised");
            soft
        }
    }
}
