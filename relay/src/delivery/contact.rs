//! What sender and pull know of the backend together: which one it is, and whether it may be sent to.
//!
//! A pull learns it at once and says so to the sender through a watch channel; deliveries of an hmac
//! relay that expects an environment wait for its first word.

use super::verdict::Backend;

/// Whether anything may be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// No pull has been answered yet.
    #[default]
    Unknown,
    /// The backend is the right one, and this installation is the one it listens to.
    Welcome,
    /// Another installation holds this relay's name.
    Elsewhere,
    /// The backend is of another environment.
    WrongEnvironment(String),
}

/// The backend as the last pull found it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// Whether anything may be sent.
    pub standing: Standing,
    /// Which backend it is.
    pub backend: Option<Backend>,
}
