//! The routes, from the wire.

mod access;
mod auth;
mod bad_input;
mod bearer;
mod changes;
mod content;
mod described;
mod edge;
mod health;
mod lines;
mod message;
mod pull;
mod rehearsal;
mod signature;
mod unavailable;
mod user;
