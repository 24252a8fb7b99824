//! Keeps a panic over one row from ending the thread.
//!
//! Each loop over rows names the row that it works on with [`set_current_row`]. If the work panics, that
//! row is set aside, and the work is done again with the other rows. A panic outside such a row ends the
//! thread, and the supervisor then ends the relay.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

thread_local! {
    /// The id of the row that the thread works on, and the name of the work.
    static CURRENT: Cell<Option<(i64, &'static str)>> = const { Cell::new(None) };
    /// The row over which a test has this thread panic, and the names of the work in which it does so.
    #[cfg(test)]
    static PANICS: Cell<(i64, &'static [&'static str])> = const { Cell::new((0, &[])) };
}

/// Names the row that the following work is for, by its ROWID, or by its number in the list of filtered
/// messages. `step` is the name of the work in the log.
pub(super) fn set_current_row(row: i64, step: &'static str) {
    CURRENT.set(Some((row, step)));
    #[cfg(test)]
    {
        let (bad, steps) = PANICS.get();
        assert!(row != bad || !steps.contains(&step), "a bug, as ordered");
    }
}

/// The following work is for no particular row.
pub(super) fn clear_current_row() {
    CURRENT.set(None);
}

/// Makes this thread panic whenever it names this row for one of these kinds of work.
#[cfg(test)]
pub(super) fn panic_at(row: i64, steps: &'static [&'static str]) {
    PANICS.set((row, steps));
}

/// Does `work` with `rows`. If it panics over one of them, moves that row to `set_aside` and does `work`
/// again. `work` gets both lists, and must leave nothing half done in memory when it panics; the state
/// rolls back by itself. `id` is the number by which `work` names a row.
pub(super) fn without_panicking<R, T>(
    mut rows: Vec<R>,
    set_aside: &mut Vec<R>,
    id: impl Fn(&R) -> i64,
    mut work: impl FnMut(&mut [R], &[R]) -> T,
) -> T {
    loop {
        clear_current_row();
        let panic = match catch_unwind(AssertUnwindSafe(|| work(&mut rows, set_aside))) {
            Ok(value) => return value,
            Err(panic) => panic,
        };
        let Some((row, step)) = CURRENT.take() else {
            resume_unwind(panic);
        };
        tracing::error!(row, step, "a row makes this relay panic; it is set aside");
        let at = rows.iter().position(|candidate| id(candidate) == row);
        set_aside.push(rows.remove(at.expect("the current row is one of these")));
    }
}
