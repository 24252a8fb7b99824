//! The backend from outside: its routes, its stores, its commands.
//!
//! All tests are in one binary, so that they share one throw-away Postgres. `routes` tests requests and answers,
//! `store` tests the public methods of the store on both databases, and `cli` tests the backend's binary.

mod adoption;
mod audit;
mod cli;
mod database;
mod documented_commands;
mod identity;
mod jobs;
mod otp;
mod people;
mod person_cli;
mod relay_logs_and_list;
mod replies;
mod request_span;
mod routes;
mod row_level_security;
mod server;
mod sessions;
mod store;
mod support;
