//! What is in the rows: balloons, transcripts, references, own addresses, column by column.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod archive;
mod payloads;
mod scripts;
