//! What balloons keep in `message.payload_data`: links, polls, and what other apps show.
//!
//! Each is a keyed archive in the shape that real rows have; what is absent here is absent there.

mod app;
mod link;
mod poll;

pub use app::AppBalloon;
pub use link::{RichLink, UrlClass};
pub use poll::{Poll, PollOption, PollVote, votes_payload};

/// `balloon_bundle_id` of links.
pub const URL_BALLOON: &str = "com.apple.messages.URLBalloonProvider";
/// `balloon_bundle_id` of polls and votes.
pub const POLL_BALLOON: &str = "com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:\
                                com.apple.messages.Polls";
