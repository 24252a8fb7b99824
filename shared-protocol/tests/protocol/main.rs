//! The public interface: golden bodies, signatures and their refusals, bad input.

mod answers;
mod bodies;
mod golden;
mod properties;
mod requests;
mod signed;
