//! What the stand-ins of HTTP services have in common, whatever the service.
//!
//! A [`Server`] listens on a port of its own and hands each request to a [`Service`]. On the way it
//! keeps a log ([`Requests`]) and lets a test spoil single answers ([`Faults`]): a stand-in that can
//! only answer well would hide the half of a client that deals with lost answers. Time comes from a
//! [`Clock`] that a test moves, so nothing has to sleep until a token expires.
//!
//! What must stay true: nothing here knows any service's paths or bodies.

#![allow(
    missing_docs,
    reason = "the library serves this project's tests alone: a doc line has to say what a name does not"
)]

mod clock;
mod exchange;
mod faults;
pub mod random;
mod requests;
mod server;
mod socket;

pub use clock::Clock;
pub use exchange::{Answer, Request};
pub use faults::{Fault, Faults};
pub use requests::{Requests, Seen};
pub use server::{Server, Service, serve_until_interrupted};
