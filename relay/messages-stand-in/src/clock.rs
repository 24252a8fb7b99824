//! The clock of the program. The library reads none.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use messages_stand_in::Date;

#[expect(
    clippy::disallowed_methods,
    reason = "only this function of the program reads the clock"
)]
pub(crate) fn now() -> Date {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanos = since_epoch.unwrap_or_default().as_nanos();
    Date::from_unix_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}

pub(crate) fn wait_until(due: Date) {
    let nanos = due.apple_nanos() - now().apple_nanos();
    if let Ok(nanos) = u64::try_from(nanos) {
        std::thread::sleep(Duration::from_nanos(nanos));
    }
}
