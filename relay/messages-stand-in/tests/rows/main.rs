//! Columns of the written rows: balloons, transcripts, references, own addresses.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod archive;
mod payloads;
mod scripts;
