//! Relay and backend together: the only place that knows both.
//!
//! It starts the real binaries as a user would, writes a chat.db as Messages would, and looks into
//! the backend's database to see what arrived. The demonstration, the benchmarks and the end-to-end
//! tests are built from these parts; nothing here is part of the product.

mod binaries;
mod mac;
mod proc_stat;
mod processes;
mod spread;
mod stored;

pub use binaries::Binaries;
pub use mac::{Mac, now_micros};
pub use proc_stat::{cpu_seconds, resident_kib};
pub use processes::{Backend, BackendStore, Relay, Secret};
pub use spread::Spread;
pub use stored::{Stored, StoredMessage};
