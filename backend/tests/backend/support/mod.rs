//! Shared test support: a backend in the test's process on either store, and clients that call it.

mod app;
mod clients;
mod described;
pub(crate) mod jobs;
mod pooler;
mod postgres;
mod relay;
mod response;
mod stores;

use std::path::PathBuf;

use archety_backend::clock::Timestamp;

pub(crate) use app::{TestApp, sqlite_app};
pub(crate) use clients::{TestBrowser, TestPhone, code_of};
pub(crate) use pooler::{PoolMode, Pooler};
pub(crate) use postgres::TestDatabase;
pub(crate) use relay::{MINI_SECRET, OTHER_SECRET, PLAIN_SECRET, TestRelay, message, secrets};
pub(crate) use response::Answered;
pub(crate) use stores::Engine::{self, Postgres, Sqlite};
pub(crate) use stores::TestStore;

/// The time at which the clocks of tests start.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

/// A file shared between projects. Prints a message if the file is missing, as in a plain checkout.
pub(crate) fn fixture(path: &str) -> Option<String> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/fixtures")
        .join(path);
    let text = std::fs::read_to_string(&file).ok();
    if text.is_none() {
        eprintln!(
            "\n*** {} is not here; its test uses a built-in copy ***\n",
            file.display()
        );
    }
    text
}
