//! `archety-relay`: watches Messages' chat.db on a Mac and delivers each message to the backend once.

#![allow(
    missing_docs,
    reason = "the library serves this program and its tests alone: a doc line has to say what a name does not"
)]

pub mod backend;
mod blocking;
pub mod cli;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod lifecycle;
pub mod mask;
pub mod pipeline;
pub mod platform;
pub mod pull;
pub mod record;
pub mod state;
