//! What `osascript` prints when the script fails.
//!
//! The texts are those of public reports. The system's language changes the words, not the number at the end. The
//! words of 1002 are not known.

use super::{Call, SCRIPT, Target};

/// The line on stderr for an error with this number.
pub fn stderr_text(number: i32, call: &Call) -> String {
    let (from, to) = position(call);
    let message = message(number, call);
    format!("{from}:{to}: execution error: {message} ({number})\n")
}

fn message(number: i32, call: &Call) -> String {
    let addressee = call.addressee().replace('\\', "\\\\").replace('"', "\\\"");
    let said = match (number, call) {
        // The system refuses this event, so it never gets to Messages.
        (-1743, _) => return "Not authorized to send Apple events to Messages.".to_owned(),
        (-2753, _) => return "The variable RCS is not defined.".to_owned(),
        (
            -1728,
            Call::Send {
                target: Target::Participant { .. },
                ..
            },
        ) => {
            format!("Can’t get participant \"{addressee}\" of account 1.")
        }
        (-1728, _) => format!("Can’t get chat id \"{addressee}\"."),
        (-1712, _) => "AppleEvent timed out.".to_owned(),
        (-600, _) => "Application isn’t running.".to_owned(),
        (-609, _) => "Connection is invalid.".to_owned(),
        (-1719, _) => {
            "Can’t get account 1 whose service type = iMessage. Invalid index.".to_owned()
        }
        (1, _) => "Error: user is not a member of this chat.".to_owned(),
        _ => format!("An error of type {number} has occurred."),
    };
    format!("Messages got an error: {said}")
}

/// The first and the last character of the statement that failed.
fn position(call: &Call) -> (usize, usize) {
    let statement = match call {
        Call::FindChat(_) => "get chat id (item 2 of argv)",
        Call::Send {
            target: Target::Chat(_),
            ..
        } => "send (item 3 of argv) to theChat",
        Call::Send { .. } => "send (item 4 of argv) to participant (item 3 of argv) of theAccount",
    };
    let from = SCRIPT.split(statement).next().unwrap_or_default();
    let from = from.chars().count();
    (from, from + statement.chars().count())
}
