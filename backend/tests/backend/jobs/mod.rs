//! Durable work: the queue on both databases, and the engine that works it off.

mod drain;
mod engine;
mod load;
mod queue;
mod recurring;
mod support;
mod wake;
