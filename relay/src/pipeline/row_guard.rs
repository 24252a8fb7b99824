//! A panic over one row is that row's failure, not the thread's.
//!
//! Each loop over rows says which one it takes in hand; a panic within [`attempt`] is then put down to
//! that row. The caller sets the row aside and goes on with the others. A panic that no row is to blame
//! for ends the thread, and the supervisor the relay.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The row over which something panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Culprit {
    /// Its ROWID; of a row that filters hold back its number in the state.
    pub(super) row: i64,
    /// What was done with it.
    pub(super) step: &'static str,
}

thread_local! {
    static IN_HAND: Cell<Option<Culprit>> = const { Cell::new(None) };
    /// A row that panics, and at which steps.
    #[cfg(test)]
    static PANICS: Cell<(i64, &'static [&'static str])> = const { Cell::new((0, &[])) };
}

/// What follows is done for this row.
pub(super) fn take_in_hand(row: i64, step: &'static str) {
    IN_HAND.set(Some(Culprit { row, step }));
    #[cfg(test)]
    {
        let (bad, steps) = PANICS.get();
        assert!(row != bad || !steps.contains(&step), "a bug, as ordered");
    }
}

/// What follows is done for no row in particular.
pub(super) fn let_go() {
    IN_HAND.set(None);
}

/// Makes this thread panic whenever it comes to one of these steps with this row.
#[cfg(test)]
pub(super) fn panic_at(row: i64, steps: &'static [&'static str]) {
    PANICS.set((row, steps));
}

/// Does `work`, which leaves nothing half done in memory when it panics: the state rolls back by itself.
pub(super) fn attempt<T>(work: impl FnOnce() -> T) -> Result<T, Culprit> {
    IN_HAND.set(None);
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| match IN_HAND.take() {
        Some(culprit) => {
            let Culprit { row, step } = culprit;
            tracing::error!(row, step, "a row makes this relay panic; it is set aside");
            culprit
        }
        None => resume_unwind(panic),
    })
}
