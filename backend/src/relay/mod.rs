//! What relays send: proof of who sends, messages, and the heartbeat of their long poll.

pub mod auth;
pub mod commands;
pub mod intake;
