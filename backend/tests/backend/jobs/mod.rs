//! Jobs: the queue on both databases, and the workers that run its jobs.

mod drain;
mod engine;
mod load;
mod queue;
mod recurring;
pub(crate) mod support;
mod wake;
