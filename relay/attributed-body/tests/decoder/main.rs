//! Tests of the decoder with recorded, generated and damaged archives.

mod archiver;
mod archives;
mod damage;
mod properties;
mod recorded;
