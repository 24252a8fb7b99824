//! The routes, called over HTTP. One file or folder for each route; `access` calls all of them.

mod access;
mod auth;
mod docs;
mod edge;
mod health;
mod message;
mod metrics;
mod pull;
mod unmatched;
mod user;
