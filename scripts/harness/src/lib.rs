//! Runs relay and backend together; no other crate depends on both.
//!
//! The crate starts the real binaries as a user does, writes a chat.db as Messages does, and reads the
//! backend's database to see what arrived. The demonstration, the benchmarks and the end-to-end tests
//! are built from these parts. Nothing of this crate is shipped.

mod backend_database;
mod binaries;
mod mac;
mod percentiles;
mod proc_stat;
mod processes;

pub use backend_database::{BackendDatabase, ReplyBubble, StoredMessage};
pub use binaries::{Binaries, FASTER};
pub use mac::{Mac, now_micros};
pub use percentiles::Percentiles;
pub use proc_stat::{cpu_seconds, resident_kib};
pub use processes::{Backend, BackendStore, Relay, Secret, free_port};
