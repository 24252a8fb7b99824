//! A stand-in for Supabase Auth, the server that hosted projects serve under `/auth/v1`.
//!
//! It answers on a real socket what version 2.196 of the real server was recorded to answer: statuses,
//! bodies, error codes and the headers that matter, down to the races. Recorded exchanges are replayed
//! against it in its tests. State is in memory; passwords are kept in clear, because hashing is a
//! cost and not a behaviour (see [`Settings::grant_delay`]).
//!
//! Both addresses work at once: bare (`/token`), and behind an imitation of the hosted gateway
//! (`/auth/v1/token`), which wants an `apikey`.
//!
//! What must stay true: no answer that was recorded differs, and what was not recorded is marked in
//! no way as known; a client should depend on neither words nor header order.

#![allow(
    missing_docs,
    reason = "the library serves this project's tests alone: a doc line has to say what a name does not"
)]

mod account;
mod admin;
mod admin_create;
mod admin_list;
mod auth;
mod caller;
mod codes;
mod error;
pub mod faults;
mod gateway;
mod grant;
mod jwt;
mod keys;
mod limits;
mod link;
mod people;
mod phone;
mod project;
mod refresh;
mod refresh_token;
mod settings;
mod stand_in;
mod state;
mod tokens;
mod user;

pub use ::stand_in::{Answer, Clock, Fault, Faults, Requests, Seen};
pub use people::{Person, Seed};
pub use settings::{Gateway, RefreshTokens, Settings, Signing, go_duration};
pub use stand_in::StandIn;
