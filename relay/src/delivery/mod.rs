//! Delivery: from the outbox to the backend, once in effect.
//!
//! The decisions are pure and lie in [`lanes`], [`gate`] and [`timestamps`]; [`sender`] is the loop that
//! joins them with the backend and the state. A post is settled only by the backend's own word, and only
//! once that is written down: a process that dies in between sends it again and is told `duplicate`.

pub mod gate;
pub mod lanes;
mod outbox;
pub mod sender;
pub mod timestamps;
