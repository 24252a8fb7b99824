//! The relay's reports on the bubbles of commands.

use serde::{Deserialize, Serialize};

/// Most acks of one pull.
pub const MAX_ACKS: usize = 500;

/// What the relay reports about one bubble of a command.
///
/// A relay repeats an ack until a signed answer to a pull has taken it. Acks may therefore arrive twice, and late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ack {
    /// Id of the command.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 208))]
    pub id: String,
    /// Number of the bubble within its command, from 0. A command without bubbles has the bubble 0.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(maximum = 63))]
    pub bubble: u32,
    /// State of the bubble.
    pub state: AckState,
    /// Why the bubble has this state, as a code without personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 64))]
    pub code: Option<String>,
    /// When the bubble reached the state by the relay's clock, Unix seconds.
    #[serde(default)]
    pub at: i64,
    /// `message.guid` of the bubble's row in chat.db.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 512))]
    pub message_guid: Option<String>,
}

/// States of a bubble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AckState {
    /// The relay has stored the command.
    Received,
    /// The bubble waits for the Mac's owner, because Messages would send it from another line.
    Held,
    /// The relay has passed the bubble to Messages.
    Dispatched,
    /// The row of the bubble is in chat.db.
    RowSeen,
    /// The bubble was not sent; `code` says why.
    Failed,
    /// The relay does not know whether the bubble was sent.
    Unknown,
    /// The bubble was cancelled before it was sent.
    Cancelled,
    /// The bubble was not sent in its time.
    Expired,
    /// The row is marked as sent.
    Sent,
    /// The row is marked as delivered.
    Delivered,
}

impl AckState {
    /// Every state.
    pub const ALL: [Self; 10] = [
        Self::Received,
        Self::Held,
        Self::Dispatched,
        Self::RowSeen,
        Self::Failed,
        Self::Unknown,
        Self::Cancelled,
        Self::Expired,
        Self::Sent,
        Self::Delivered,
    ];

    /// The state in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Held => "held",
            Self::Dispatched => "dispatched",
            Self::RowSeen => "row_seen",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
        }
    }

    /// The state with this name in JSON.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether nothing further is done about the bubble. A bubble that is `sent` may still become `delivered`.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Received | Self::Held | Self::Dispatched | Self::RowSeen => false,
            Self::Failed
            | Self::Unknown
            | Self::Cancelled
            | Self::Expired
            | Self::Sent
            | Self::Delivered => true,
        }
    }

    /// Whether an ack with this state replaces the state `current`, whatever the order in which acks arrive: the
    /// furthest state stays. `failed` and `unknown` may become `sent` or `delivered`, because Messages may send a
    /// message late. An owner who looks into an `unknown` bubble may find that it failed.
    pub fn replaces(self, current: Self) -> bool {
        let is_finding = current == Self::Unknown && matches!(self, Self::Failed | Self::Cancelled);
        self.rank() > current.rank() || is_finding
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Received => 0,
            Self::Held => 1,
            Self::Dispatched => 2,
            Self::RowSeen => 3,
            Self::Failed | Self::Unknown | Self::Cancelled | Self::Expired => 4,
            Self::Sent => 5,
            Self::Delivered => 6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_json() {
        for state in AckState::ALL {
            let json = serde_json::to_value(state).expect("plain");
            assert_eq!(json, state.as_str());
            assert_eq!(AckState::parse(state.as_str()), Some(state));
        }
        assert_eq!(AckState::parse("Sent"), None);
    }

    #[test]
    fn in_any_order_of_acks_the_same_state_stays() {
        let stays = |first: AckState, second: AckState| {
            if second.replaces(first) {
                second
            } else {
                first
            }
        };
        for a in AckState::ALL {
            assert!(!a.replaces(a));
            for b in AckState::ALL {
                let both_end = a.rank() == 4 && b.rank() == 4 && a != b;
                let one_is_unknown = a == AckState::Unknown || b == AckState::Unknown;
                if !both_end || (one_is_unknown && a != AckState::Expired && b != AckState::Expired)
                {
                    assert_eq!(stays(a, b), stays(b, a), "{a:?} {b:?}");
                }
            }
        }
        assert!(AckState::Delivered.replaces(AckState::Failed));
        assert!(AckState::Sent.replaces(AckState::Unknown));
        assert!(!AckState::Unknown.replaces(AckState::Failed));
        assert!(!AckState::Dispatched.replaces(AckState::Cancelled));
    }
}
