//! A brief crash table: backend and relay are killed once at each durable step of a reply. `scripts/faults crash-table`
//! runs the whole table.

use std::process::Command;

use test_process::Run;

#[test]
fn each_bubble_is_seen_once_or_listed_although_backend_and_relay_die_at_each_step() {
    let mut faults = Command::new(env!("CARGO_BIN_EXE_faults"));
    let run = Run::of(faults.args(["crash-table", "--brief"]));
    assert_eq!(run.code, Some(0), "{}\n{}", run.out, run.err);
}
