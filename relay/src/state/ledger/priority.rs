//! The priorities of texts as the table has them: a higher number goes first.

use shared_protocol::Priority;

pub(super) const fn rank(priority: Priority) -> i64 {
    match priority {
        Priority::Scheduled => 0,
        Priority::Reply => 1,
        Priority::Otp => 2,
    }
}

pub(super) const fn of_rank(rank: i64) -> Priority {
    match rank {
        0 => Priority::Scheduled,
        1 => Priority::Reply,
        _ => Priority::Otp,
    }
}
