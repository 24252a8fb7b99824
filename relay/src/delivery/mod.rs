//! Delivery: from the outbox to the backend, once in effect.
//!
//! The decisions are pure and lie in [`lanes`], [`verdict`], [`gate`], [`backoff`] and
//! [`timestamps`]; [`client`] is the wire, [`sender`] the loop that joins them. A post is settled only
//! by the backend's own word, and only once that is written down: a process that dies in between
//! sends it again and is told `duplicate`.

pub mod backoff;
pub mod client;
mod connection;
pub mod contact;
pub mod gate;
pub mod lanes;
mod ledger;
pub mod report;
pub mod sender;
pub mod timestamps;
mod trouble;
pub mod verdict;

pub use trouble::Trouble;
