//! Turns: which messages wait for an answer, and that each turn gets one reply.

mod answering;
mod deletion;
mod intake;
mod limits;
mod meanwhile;
mod opening;
mod running;
mod support;
