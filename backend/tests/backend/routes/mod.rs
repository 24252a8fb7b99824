//! The routes, from the wire.

mod access;
mod auth;
mod bad_input;
mod bearer;
mod health;
mod message;
mod pull;
mod signature;
mod unavailable;
mod user;
