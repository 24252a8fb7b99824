//! Shared parts of the stand-ins for HTTP services.
//!
//! A [`Server`] listens on a port of its own and hands each request to a [`Service`]. The server logs
//! each request ([`Requests`]) and replaces answers by faults that a test schedules ([`Faults`]), so
//! that tests also reach a client's error handling. Time comes from a [`Clock`] that a test moves, so
//! no test has to sleep until a token expires.
//!
//! The crate must not depend on the paths or bodies of any service.

#![allow(
    missing_docs,
    reason = "only tests of this project use the library: a doc line is written where the name does not suffice"
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
pub use requests::{LoggedRequest, Requests};
pub use server::{Server, Service, serve_until_interrupted};
