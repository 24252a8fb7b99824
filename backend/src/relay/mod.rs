//! Requests of relays: their proof (`auth`), messages (`intake`), and the heartbeat of the long poll (`commands`).

pub mod auth;
pub mod commands;
pub mod intake;
