//! The backend: verifies the messages that relays send, stores each of them once, and answers.
//!
//! `config` reads the environment. `store` is the database, SQLite or Postgres. `relay` authenticates relays
//! and takes in their messages. `otp` confirms phone numbers by codes, `identity` issues access tokens,
//! `sessions` keeps people signed in, and `people` has their data. `jobs` runs durable background jobs. `http`
//! has the routes and statuses; only `cli` imports it. `services` builds the parts and `cli` runs them. The
//! crate `shared-protocol` defines the wire format.

#![allow(
    missing_docs,
    reason = "only this program and its tests use the library: a doc line is written where the name does not suffice"
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
pub mod replies;
mod request;
pub mod services;
pub mod sessions;
pub mod store;
pub mod supervisor;
pub mod telemetry;
mod throttle;
mod upkeep;
