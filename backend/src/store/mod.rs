//! The database, Postgres or SQLite, behind one set of methods.
//!
//! A [`statement`] has one SQL text for both databases where both can run it. In [`intake`] the databases differ
//! most, so each has its own code. A method that writes returns after its commit. The backend keeps all its state in
//! the database, so any number of replicas may share one Postgres. A file lock lets only one `serve` or `migrate`
//! open a SQLite file; other commands may open the file meanwhile. The store does not decide what a row means to a
//! relay or a user.

mod accounts;
mod adoption;
mod audit;
mod breaker;
mod cleaning;
mod command_signal;
mod connection_health;
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
pub mod replies;
mod rls_bypasses;
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

pub use accounts::{Account, SubjectChange};
pub use adoption::{Adoption, FlaggedPerson};
pub use audit::{EventRow, NewEvent};
pub use breaker::{Area, Block, Breaker, OpenBreaker, OpenedBy};
pub use command_signal::CommandBell;
pub use error::{OpenError, StoreError};
pub use finding::Finding;
pub use intake::{Chat, NewMessage, Stored};
pub use keys::{KeyError, Pepper};
pub use limits::{Limit, LimitResult, Window};
pub use lines::{LineAddress, LinesUpdate};
pub use migrate::SchemaVersion;
pub use migration_files::{MIGRATIONS_POSTGRES, MIGRATIONS_SQLITE};
pub use newest::NewestRow;
pub use pools::Pools;
pub use probe::Probe;
pub use receipts::{Receipt, ReplayCheck};
pub use relays::{LastHeartbeat, Lease, ProofKind, RelayMove, RelayRow};
pub use replies::{
    EarlierTurn, IfNewer, NewReply, NewTurn, Opens, TurnCommit, TurnConversation, TurnFacts,
    TurnOpening, TurnOutcome, TurnRow, TurnRows,
};
pub use rls_bypasses::RlsBypass;
pub use signing_keys::SealedSigningKey;
pub use transaction::{Actor, Tx};

use command_signal::CommandSignal;
use file_lock::FileLock;
use intake::Intake;
use job_signal::JobSignal;
use postgres::Server;

/// The open store. A clone is cheap and shares the pools and the intake queue.
#[derive(Clone)]
pub struct Store {
    pools: Pools,
    /// The connections of relays and readiness checks, which must not wait for requests of people.
    reserved: Pools,
    intake: Intake,
    job_signal: JobSignal,
    command_signal: CommandSignal,
    /// The Postgres server, which tells every replica when a job or a command is written; `None` on SQLite.
    server: Option<Arc<Server>>,
    /// Locks the SQLite file while the store is open.
    _lock: Option<Arc<FileLock>>,
}

impl Store {
    /// Stores a message unless it is stored already. Messages of simultaneous requests are committed together.
    /// Returns once that commit is durable.
    pub async fn store_message(&self, message: NewMessage) -> Result<Stored, StoreError> {
        self.intake.submit(message).await
    }

    /// The number of queued messages that no batch contains yet.
    pub fn intake_depth(&self) -> usize {
        self.intake.depth()
    }

    /// Fails if the database does not answer or intake has ended.
    pub async fn ping(&self) -> Result<(), StoreError> {
        if self.intake.is_closed() {
            return Err(StoreError::Closed);
        }
        self.reserved.ping().await
    }

    /// Waits until intake has ended. After that, no message is stored.
    pub async fn intake_ended(&self) {
        self.intake.ended().await;
    }

    /// The pools, for tests that look at rows directly.
    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    /// Stores the queued messages and closes every connection.
    pub async fn close(&self) {
        self.intake.close().await;
        self.reserved.close().await;
        self.pools.close().await;
    }
}

/// The statements that the store runs on a migrated database.
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
        replies::acks::ALL,
        replies::attention::ALL,
        replies::commands::ALL,
        replies::conversation::ALL,
        replies::ending::ALL,
        replies::forgetting::ALL,
        replies::handing::ALL,
        replies::heartbeat::ALL,
        replies::lease::ALL,
        replies::line_owners::ALL,
        replies::restoring::ALL,
        command_signal::ALL,
        replies::turns::ALL,
        replies::unanswered::ALL,
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
