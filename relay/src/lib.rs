//! `archety-relay`: watches Messages' chat.db on a Mac and carries each message to the backend, once.

pub mod clock;
pub mod delivery;
pub mod pipeline;
pub mod state;
