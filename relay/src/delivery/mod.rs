//! Delivers the posts of the outbox to the backend, which stores each post once.
//!
//! [`lanes`], [`gate`] and [`timestamps`] decide without I/O; [`sender`] is the loop that reads the outbox, posts
//! and writes the results. A post counts as delivered only after the backend's own answer is written into the
//! outbox. If the process dies before that, the post is sent again, and the backend answers `duplicate`.

pub mod gate;
pub mod lanes;
mod outbox;
pub mod sender;
pub mod timestamps;
