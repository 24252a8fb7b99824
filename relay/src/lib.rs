//! `archety-relay`: watches Messages' chat.db on a Mac and delivers each message to the backend once.

#![allow(
    missing_docs,
    reason = "only programs of this repository use the library, so items whose names say all need no doc line"
)]

pub mod backend;
mod blocking;
pub mod cli;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod dispatch;
pub mod lifecycle;
pub mod mask;
pub mod pipeline;
pub mod platform;
pub mod pull;
pub mod record;
pub mod state;
