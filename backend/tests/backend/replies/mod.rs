//! Turns: which messages wait for an answer, and that each turn gets one reply.

mod answering;
mod bad_replies;
mod deletion;
mod groups;
mod intake;
mod limits;
mod lines;
mod many;
mod meanwhile;
mod moved;
mod opening;
mod own_sends;
mod retention;
mod running;
mod support;
mod without_responder;
