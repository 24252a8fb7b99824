//! The contract as its users see it: golden bodies, signatures and their refusals, bad input.

mod answers;
mod bodies;
mod golden;
mod properties;
mod requests;
mod signed;
