//! The backend as the relay sees it: the wire, what an answer means, and whether it may be sent to.
//!
//! Sender and puller share it, and it knows neither of them, nor the state. The decisions are pure and
//! lie in [`answer`], [`availability`] and [`backoff`]; [`client`] is the wire.

pub mod answer;
pub mod availability;
pub mod backoff;
pub mod client;
mod trouble;

pub use trouble::Trouble;
