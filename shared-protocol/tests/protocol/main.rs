//! Tests of the public interface: snapshots of bodies, signatures, and refused input.

mod answers;
mod bodies;
mod golden;
mod properties;
mod requests;
mod signed;
