//! The relay's side of the protocol with the backend, shared by the sender and the pull.
//!
//! [`client`] sends requests. [`answer`], [`availability`] and [`backoff`] decide without I/O what an answer
//! means, whether posts may be sent and how long to wait.

pub mod answer;
pub mod availability;
pub mod backoff;
pub mod client;
mod trouble;

pub use trouble::Trouble;
