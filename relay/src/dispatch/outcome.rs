//! What the end of the script proves about a text: that nothing was sent, that Messages took it, or neither.
//!
//! A success proves nothing by itself: only the row in chat.db does. After a failed look-up nothing was sent. A failure
//! while sending proves that nothing was sent only for the few errors that come before Messages gets the request.

use super::osascript::{Operation, ScriptEnd};

/// What is known about a text after the script has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SendOutcome {
    /// Messages has taken the text. Its row has to appear.
    HandedOver,
    /// Nothing was sent. The text can be tried again.
    NotSent(SendFault),
    /// The text may have been sent, so it is never tried again.
    Unknown(SendFault),
}

/// Why a text was not sent, or may not have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SendFault {
    #[error(
        "macOS does not let the relay control Messages: allow it in System Settings, Privacy & Security, \
         Automation"
    )]
    AutomationDenied,
    #[error("Messages knows no such chat: open the chat in Messages once")]
    NoSuchChat,
    #[error("Messages did not answer in time; look into the chat to see whether the text was sent")]
    Timeout,
    #[error("Messages does not run: log in to the Mac's desktop, and open Messages")]
    NotRunning,
    #[error(
        "the connection to Messages broke; look into the chat to see whether the text was sent"
    )]
    ConnectionLost,
    #[error("Messages has no account for this service: sign in under Messages, Settings, iMessage")]
    NoAccount,
    #[error("`osascript` cannot be started; see the setting `osascript`")]
    NoOsascript,
    #[error("the script failed; look into the chat to see whether the text was sent")]
    Other,
}

impl SendFault {
    /// The code in the ledger and in acks.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::AutomationDenied => "automation_denied",
            Self::NoSuchChat => "chat_not_found",
            Self::Timeout => "timeout",
            Self::NotRunning => "messages_not_running",
            Self::ConnectionLost => "connection_lost",
            Self::NoAccount => "no_account",
            Self::NoOsascript => "osascript_missing",
            Self::Other => "script_failed",
        }
    }

    fn of(end: &ScriptEnd) -> Option<Self> {
        let error = match end {
            ScriptEnd::Succeeded => return None,
            ScriptEnd::Killed => return Some(Self::Timeout),
            ScriptEnd::NotStarted => return Some(Self::NoOsascript),
            ScriptEnd::Failed { error } => *error,
        };
        Some(match error {
            Some(-1743) => Self::AutomationDenied,
            Some(-1728) => Self::NoSuchChat,
            Some(-1712) => Self::Timeout,
            Some(-600) => Self::NotRunning,
            Some(-609) => Self::ConnectionLost,
            Some(-1719) => Self::NoAccount,
            _ => Self::Other,
        })
    }
}

/// What the end of a look-up says: `None` if the chat was found.
pub(super) fn of_lookup(end: &ScriptEnd) -> Option<SendFault> {
    SendFault::of(end)
}

/// What the end of a sending script proves.
pub(super) fn of_sending(operation: &Operation<'_>, end: &ScriptEnd) -> SendOutcome {
    let Some(fault) = SendFault::of(end) else {
        return SendOutcome::HandedOver;
    };
    match fault {
        // macOS refuses the request before Messages gets it.
        SendFault::AutomationDenied | SendFault::NotRunning | SendFault::NoOsascript => {
            SendOutcome::NotSent(fault)
        }
        // The script looks for the account before it sends to a participant.
        SendFault::NoAccount if matches!(operation, Operation::Participant { .. }) => {
            SendOutcome::NotSent(fault)
        }
        SendFault::NoAccount
        | SendFault::NoSuchChat
        | SendFault::Timeout
        | SendFault::ConnectionLost
        | SendFault::Other => SendOutcome::Unknown(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO_CHAT: Operation<'_> = Operation::Chat {
        chat: "c",
        text: "Hi",
    };
    const TO_PARTICIPANT: Operation<'_> = Operation::Participant {
        address: "a",
        service: "iMessage",
        text: "Hi",
    };

    #[test]
    fn only_errors_before_messages_gets_the_request_prove_that_nothing_was_sent() {
        let failed = |error| of_sending(&TO_CHAT, &ScriptEnd::Failed { error });
        for (error, fault) in [
            (-1743, SendFault::AutomationDenied),
            (-600, SendFault::NotRunning),
        ] {
            assert_eq!(failed(Some(error)), SendOutcome::NotSent(fault));
        }
        for (error, fault) in [
            (Some(-1728), SendFault::NoSuchChat),
            (Some(-1712), SendFault::Timeout),
            (Some(-609), SendFault::ConnectionLost),
            (Some(-1719), SendFault::NoAccount),
            (Some(1002), SendFault::Other),
            (None, SendFault::Other),
        ] {
            assert_eq!(failed(error), SendOutcome::Unknown(fault), "{error:?}");
        }
        let no_account = ScriptEnd::Failed { error: Some(-1719) };
        assert_eq!(
            of_sending(&TO_PARTICIPANT, &no_account),
            SendOutcome::NotSent(SendFault::NoAccount)
        );
        let killed = of_sending(&TO_CHAT, &ScriptEnd::Killed);
        assert_eq!(killed, SendOutcome::Unknown(SendFault::Timeout));
        let missing = of_sending(&TO_CHAT, &ScriptEnd::NotStarted);
        assert_eq!(missing, SendOutcome::NotSent(SendFault::NoOsascript));
        let succeeded = of_sending(&TO_CHAT, &ScriptEnd::Succeeded);
        assert_eq!(succeeded, SendOutcome::HandedOver);
    }
}
