//! Commands are taken once, whatever the backend sends again.

use super::*;

#[test]
fn a_command_that_comes_again_is_known_and_told_again() {
    let (_dir, state) = state();
    let command = reply(1, "cmd_a", &["Hi", "you"]);
    assert_eq!(take_one(&state, &command), Take::New);
    let received = |id: &str, bubble| (id.to_owned(), bubble, AckState::Received);
    let both = [received("cmd_a", 0), received("cmd_a", 1)];
    assert_eq!(acks_of(&state), both);
    let numbers: Vec<i64> = state
        .read(|c| acks::pending(c, 500))
        .expect("read")
        .iter()
        .map(|pending| pending.number)
        .collect();
    state
        .write(|tx| acks::mark_taken(tx, &numbers))
        .expect("written");
    assert_eq!(acks_of(&state), []);
    let renumbered = Command { seq: 7, ..command };
    assert_eq!(take_one(&state, &renumbered), Take::Known);
    assert_eq!(acks_of(&state), both);
    assert_eq!(states(&state).len(), 2);
}
