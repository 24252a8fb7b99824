//! What a pull changes: the lease and the status of its relay, the states of bubbles, and after a restore the numbers
//! of commands.
//!
//! All of it is one transaction, which locks the relay's row first. So the states of bubbles are changed only by the
//! installation that has the lease at that time. And the time of the last pull, by which a restored database knows
//! which messages it lacks, is overwritten only together with the command that asks the relay for them.
//!
//! Every transaction that changes several commands of a relay locks the relay's row before them; one that changes
//! commands of several relays locks the rows of the relays in the order of their names. So two of them do not deadlock.

use shared_protocol::{Ack, After, LeaseChange, RelayName, RelayStatus};
use sqlx::FromRow;

use super::acks::{self, TakenAcks};
use super::lease;
use super::restoring::{self, BeforePull, Restored};
use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::pools::retry_on_conflict;
use crate::store::relays::{Lease, renew_lease};
use crate::store::statement::statements;
use crate::store::{Store, StoreError};

statements! {
    LOCK_RELAY {
        postgres: "select command_seq, last_seen_at from relays where name = $1 for no key update",
        sqlite: "select command_seq, last_seen_at from relays where name = $1",
    }
}

/// What a relay reports with a pull.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeat<'a> {
    pub relay: &'a RelayName,
    /// The installation that pulls.
    pub instance: &'a str,
    pub status: &'a RelayStatus,
    /// The newest command that the relay has stored. `None` for a relay of the first release.
    pub after: Option<&'a After>,
    pub acks: &'a [Ack],
    /// The change of the lease that the pull asks for.
    pub lease: Option<LeaseChange>,
}

/// The result of [`Store::take_heartbeat`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakenHeartbeat {
    Taken {
        /// `None` if this database was not restored from a backup.
        restored: Option<Restored>,
        acks: TakenAcks,
    },
    /// Another installation has the lease. Nothing was changed.
    Elsewhere,
}

#[derive(FromRow)]
struct RelayRow {
    command_seq: i64,
    last_seen_at: Option<Timestamp>,
}

impl Store {
    /// Takes or renews the lease, and stores the relay's status and acks. If the relay has stored a command that is not
    /// ours, numbers its open commands anew. Acks that report nothing new change nothing. A pull that gives the name up
    /// ends the lease at last.
    pub async fn take_heartbeat(
        &self,
        heartbeat: Heartbeat<'_>,
        now: Timestamp,
    ) -> Result<TakenHeartbeat, StoreError> {
        retry_on_conflict(|| self.try_heartbeat(heartbeat, now)).await
    }

    async fn try_heartbeat(
        &self,
        heartbeat: Heartbeat<'_>,
        now: Timestamp,
    ) -> Result<TakenHeartbeat, StoreError> {
        let Heartbeat {
            relay,
            instance,
            status,
            after,
            acks,
            lease: change,
        } = heartbeat;
        let mut tx = self.reserved.begin_write().await?;
        let row: Option<RelayRow> = tx.optional(LOCK_RELAY, (relay.as_str(),)).await?;
        let before = row.map_or_else(BeforePull::default, |row| BeforePull {
            last_seq: row.command_seq,
            last_seen_at: row.last_seen_at,
        });
        let renewed = match change {
            Some(change @ (LeaseChange::Take | LeaseChange::TakeOver)) => {
                lease::take(&mut tx, relay, instance, change, status, now).await?
            }
            Some(LeaseChange::Release) | None => {
                renew_lease(&mut tx, relay, instance, status, now).await?
            }
        };
        let releases = change == Some(LeaseChange::Release);
        if renewed == Lease::Elsewhere {
            // It may have given the name up before, and the answer was lost.
            if releases && lease::release(&mut tx, relay, instance).await? {
                return Ok(TakenHeartbeat::Taken {
                    restored: None,
                    acks: TakenAcks::default(),
                });
            }
            return Ok(TakenHeartbeat::Elsewhere);
        }
        let restored = match after {
            Some(after) => {
                let relay = relay.as_str();
                restoring::renumber_if_restored(&mut tx, relay, instance, after, before, now)
                    .await?
            }
            None => None,
        };
        let acks = acks::take(&mut tx, relay.as_str(), acks, now).await?;
        if releases {
            lease::release(&mut tx, relay, instance).await?;
        }
        tx.commit().await?;
        Ok(TakenHeartbeat::Taken { restored, acks })
    }
}
