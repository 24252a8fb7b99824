//! A stand-in for Supabase Auth, the server that hosted projects serve under `/auth/v1`.
//!
//! The stand-in answers on a real socket as version 2.196 of the real server does: statuses, bodies,
//! error codes, the headers about errors, sessions and tokens, and the outcomes of race conditions. Its
//! tests replay exchanges that were recorded from the real server. State is kept in memory. Passwords are stored unhashed; the
//! time that hashing takes is imitated by [`Settings::grant_delay`].
//!
//! Two kinds of paths work at the same time: those of the bare server (`/token`), and those behind an
//! imitation of the hosted gateway (`/auth/v1/token`), which requires an `apikey`.
//!
//! An answer that was recorded has to be the same here. Answers that were not recorded are guesses, and
//! nothing marks them as such, so a client should depend neither on messages nor on header order.

#![allow(
    missing_docs,
    reason = "only tests of this project use the library: a doc line is written where the name does not suffice"
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

pub use ::stand_in::{Answer, Clock, Fault, Faults, LoggedRequest, Requests};
pub use people::{Person, Seed};
pub use settings::{Gateway, RefreshTokens, Settings, Signing, go_duration};
pub use stand_in::StandIn;
