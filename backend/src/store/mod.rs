//! Everything that is kept: one face over Postgres and SQLite.
//!
//! One SQL text serves both databases where both can run it ([`statement`]); intake, where they
//! differ most, has a dialect each ([`intake`]). A method returns only after its commit. No state that
//! matters lives outside the database, so any number of replicas may share one Postgres; SQLite has
//! one server, which a file lock enforces, and commands beside it. What a row means to a relay or a user is decided elsewhere.

mod accounts;
mod adoption;
mod audit;
mod breaker;
pub mod cleaning;
mod connection_health;
mod doors;
mod error;
mod execute;
mod file_lock;
mod finding;
mod former_issuers;
mod history;
pub mod intake;
mod issuer;
mod job_signal;
pub mod jobs;
mod keys;
mod limits;
mod lines;
mod meta;
mod migrate;
mod migration_files;
mod needs;
mod newest;
mod open;
pub mod otp;
pub mod people;
pub mod plan;
mod pools;
mod postgres;
mod probe;
mod receipts;
mod relays;
mod safety;
pub mod sessions;
mod signing_keys;
mod silence;
mod sqlite_file;
pub mod statement;
mod timestamp;
mod tombstones;
mod transaction;

use std::sync::Arc;

pub use accounts::{Account, Moved};
pub use adoption::{Adoption, FlaggedPerson};
pub use audit::{EventRow, NewEvent};
pub use breaker::{Area, Block, Breaker, Open, Since};
pub use doors::Door;
pub use error::{OpenError, StoreError};
pub use finding::Finding;
pub use intake::{Chat, NewMessage, Stored};
pub use keys::{KeyError, Pepper};
pub use limits::{Limit, Taken, Window};
pub use lines::{LineAddress, LinesTold};
pub use migrate::SchemaVersion;
pub use migration_files::{MIGRATIONS_POSTGRES, MIGRATIONS_SQLITE};
pub use newest::NewestRow;
pub use pools::Pools;
pub use probe::Probe;
pub use receipts::{Receipt, Seen};
pub use relays::{Lease, ProofKind, RelayRow};
pub use signing_keys::SealedSigningKey;
pub use transaction::{Actor, Tx};

use file_lock::FileLock;
use intake::Intake;
use job_signal::JobSignal;
use postgres::Server;

/// The open store. Cheap to clone; all clones share one pool and one intake queue.
#[derive(Clone)]
pub struct Store {
    pools: Pools,
    /// For what must not wait behind requests of people: relays, and readiness.
    reserved: Pools,
    intake: Intake,
    job_signal: JobSignal,
    /// The Postgres, which tells when a job is written.
    listens_at: Option<Arc<Server>>,
    /// Held for as long as the SQLite file is open.
    _lock: Option<Arc<FileLock>>,
}

impl Store {
    /// Stores one message, or finds that it is stored. Requests in flight share one commit; this
    /// returns once that commit is durable.
    pub async fn store_message(&self, message: NewMessage) -> Result<Stored, StoreError> {
        self.intake.submit(message).await
    }

    /// How many messages wait for their commit.
    pub fn intake_depth(&self) -> usize {
        self.intake.depth()
    }

    /// Whether the database answers and messages are taken.
    pub async fn ping(&self) -> Result<(), StoreError> {
        if self.intake.is_closed() {
            return Err(StoreError::Closed);
        }
        self.reserved.ping().await
    }

    /// Returns once no message is taken any more.
    pub async fn intake_ended(&self) {
        self.intake.ended().await;
    }

    /// The pools, for tests that look at rows directly.
    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    /// Finishes what is queued and closes every connection.
    pub async fn close(&self) {
        self.intake.close().await;
        self.reserved.close().await;
        self.pools.close().await;
    }
}

/// Every statement that the store runs.
pub fn statements() -> impl Iterator<Item = statement::Statement> {
    [
        accounts::ALL,
        adoption::ALL,
        breaker::ALL,
        cleaning::ALL,
        former_issuers::ALL,
        history::ALL,
        issuer::ALL,
        audit::ALL,
        jobs::ALL,
        sessions::ALL,
        sessions::ending::ALL,
        sessions::opening::ALL,
        sessions::tokens::ALL,
        sessions::upstream::ALL,
        keys::ALL,
        limits::ALL,
        lines::ALL,
        meta::ALL,
        newest::ALL,
        otp::approvals::ALL,
        otp::attempts::ALL,
        otp::cleaning::ALL,
        otp::codes::ALL,
        receipts::ALL,
        relays::ALL,
        signing_keys::ALL,
        transaction::ALL,
        tombstones::ALL,
        people::deletion::ALL,
        people::export::ALL,
        people::handle::ALL,
        people::messages::ALL,
        people::profile::ALL,
        people::number_reassignment::ALL,
        people::traces::ALL,
        people::traits::ALL,
        intake::postgres::ALL,
        intake::sqlite::ALL,
        intake::sqlite::conversation::ALL,
    ]
    .into_iter()
    .flatten()
    .copied()
}
