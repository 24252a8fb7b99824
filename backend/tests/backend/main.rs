//! The backend from outside: its routes, its stores, its commands.
//!
//! One binary, so that one throw-away Postgres serves all of it. The modules mirror what is tested:
//! `routes` the wire, `store` the public store methods on both databases, `cli` the binary itself.

mod adoption;
mod audit;
mod cli;
mod database;
mod identity;
mod jobs;
mod otp;
mod people;
mod person_cli;
mod relay_logs_and_list;
mod request_span;
mod routes;
mod row_level_security;
mod seed;
mod server;
mod sessions;
mod store;
mod support;
