//! The backend: verifies what relays send, stores it once, and answers.
//!
//! `config` reads the environment; `store` keeps everything that matters, on SQLite or Postgres;
//! `relay` decides who sent a request and what it means. `otp` finds out whose a number is, `identity`
//! issues tokens for them, `sessions` keeps them signed in, `people` has their data. `jobs` does what was
//! written down to be done. `http` gives all of it routes and statuses, and nothing else knows that `http`
//! exists; `services` puts the parts together, and `cli` runs them.
//! The wire format is `shared-protocol`'s.

#![allow(
    missing_docs,
    reason = "the library serves this program and its tests alone: a doc line has to say what a name does not"
)]

pub mod audit;
pub mod cli;
mod client_network;
pub mod clock;
pub mod config;
pub mod former_accounts;
pub mod http;
pub mod identity;
mod ids;
pub mod jobs;
pub mod keyring;
pub mod known_device;
pub mod lifecycle;
pub mod otp;
pub mod people;
pub mod phone;
pub mod phone_region;
mod provider_http;
pub mod relay;
pub mod services;
pub mod sessions;
pub mod store;
pub mod supervisor;
pub mod telemetry;
mod throttle;
mod upkeep;
