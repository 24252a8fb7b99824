//! Requests of relays: their proof (`auth`), messages (`intake`), and the heartbeat of the long poll (`commands`).
//! `gauges` turns the last heartbeats into metrics.

pub mod auth;
pub mod commands;
pub mod gauges;
pub mod intake;
