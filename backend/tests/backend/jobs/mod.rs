//! Durable work: the queue on both databases, and the engine that works it off.

mod queue;
