//! Which relay answers a line: the first that brought one of its addresses, or the one that an operator chose.
//!
//! Two relays can have the same line: two Macs with one account. If both answered, each message would get two replies.
//! They may name the line by different addresses, and each may know an address that the other does not. So lines that
//! share an address count as one, also through the lines of further relays, and all their addresses have one owner.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use shared_protocol::{Address, RelayName};
use sqlx::FromRow;

use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::statement::statements;
use crate::store::transaction::Tx;
use crate::store::{LineAddress, Pools, Store, StoreError};

statements! {
    /// The addresses of the lines in a JSON list, and of all lines that share an address with them, each with its
    /// owner. The address that had an owner first comes first.
    OWNERS_OF_LINES {
        postgres: "with recursive own (line, address) as (
                     select line, address from json_to_recordset($1::json) as given (line text, address text)
                     union
                     select own.line, beside.address from own
                     join relay_lines l on l.address = own.address
                     join relay_lines beside on beside.relay = l.relay and beside.line = l.line)
                   select own.line, own.address, o.relay from own left join line_owners o on o.line = own.address
                   order by o.since is null, o.since, own.address",
        sqlite: "with recursive own (line, address) as (
                   select value ->> 'line', value ->> 'address' from json_each($1)
                   union
                   select own.line, beside.address from own
                   join relay_lines l on l.address = own.address
                   join relay_lines beside on beside.relay = l.relay and beside.line = l.line)
                 select own.line, own.address, o.relay from own left join line_owners o on o.line = own.address
                 order by o.since is null, o.since, own.address",
    }
    /// Lets claims and moves go one after the other. SQLite has one writer at a time anyway.
    LOCK_OWNERS { postgres: "lock table line_owners in share row exclusive mode" }
    SET_OWNER {
        both: "insert into line_owners (line, relay, since) values ($1, $2, $3)
               on conflict (line) do update set relay = excluded.relay, since = excluded.since
                 where line_owners.relay <> excluded.relay",
    }
    LINE_OWNERS { both: "select line, relay, since from line_owners order by relay, line" }
    IS_RELAY { both: "select 1 from relays where name = $1" }
}

/// An address of a line, and the relay that answers its messages.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
pub struct LineOwner {
    #[sqlx(rename = "line")]
    pub address: String,
    pub relay: String,
    /// When the relay brought the address first, or an operator chose the relay.
    pub since: Timestamp,
}

/// An address of a line or of one that shares an address with it.
#[derive(FromRow)]
struct OwnedAddress {
    /// The name of the given line.
    line: String,
    address: String,
    /// The relay that answers the address; `None` if none does yet.
    relay: Option<String>,
}

/// The result of [`Store::claim_lines`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineClaim {
    /// The names of the lines that another relay answers.
    pub of_others: BTreeSet<String>,
    /// Whether an address got its owner by this call.
    pub is_news: bool,
}

/// The result of [`Store::move_line`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineMove {
    /// The relay answers these addresses from now on.
    Moved(Vec<String>),
    /// No relay has brought the address.
    NoSuchLine,
    /// The relay has never sent a request.
    NoSuchRelay,
}

impl Store {
    /// Makes `relay` answer those of its lines that no other relay answers. If lines with different owners turn out to
    /// share an address, the owner that was first answers all of them. Writes nothing if nothing changes.
    pub async fn claim_lines(
        &self,
        relay: &RelayName,
        addresses: &BTreeSet<LineAddress>,
        now: Timestamp,
    ) -> Result<LineClaim, StoreError> {
        let given = json_lines(addresses);
        let owned: Vec<OwnedAddress> = self
            .reserved
            .reads()
            .all(OWNERS_OF_LINES, (&given,))
            .await?;
        let owners = owner_by_line(&owned);
        let is_settled = |row: &OwnedAddress| {
            row.relay.is_some() && row.relay.as_deref() == owners.get(&*row.line).copied()
        };
        if owned.iter().all(is_settled) {
            return Ok(LineClaim {
                of_others: of_others(relay, &owners),
                is_news: false,
            });
        }
        let mut tx = self.reserved.begin_write().await?;
        self.lock_owners(&mut tx).await?;
        let owned: Vec<OwnedAddress> = tx.all(OWNERS_OF_LINES, (&given,)).await?;
        let owners = owner_by_line(&owned);
        for row in &owned {
            let answers = owners.get(&*row.line).copied().unwrap_or(relay.as_str());
            tx.execute(SET_OWNER, (&row.address, answers, now)).await?;
        }
        tx.commit().await?;
        Ok(LineClaim {
            of_others: of_others(relay, &owners),
            is_news: true,
        })
    }

    /// Every address that a relay has brought, with the relay that answers it.
    pub async fn line_owners(&self) -> Result<Vec<LineOwner>, StoreError> {
        self.pools.reads().all(LINE_OWNERS, ()).await
    }

    /// Makes `relay` answer the line that has the address.
    pub async fn move_line(
        &self,
        address: &Address,
        relay: &RelayName,
        now: Timestamp,
    ) -> Result<LineMove, StoreError> {
        let mut tx = self.pools.begin_write().await?;
        let known: Option<i32> = tx.optional_value(IS_RELAY, (relay.as_str(),)).await?;
        if known.is_none() {
            return Ok(LineMove::NoSuchRelay);
        }
        self.lock_owners(&mut tx).await?;
        let line = LineAddress {
            address: address.as_str().to_owned(),
            line: address.as_str().to_owned(),
        };
        let given = json_lines(&[line].into());
        let owned: Vec<OwnedAddress> = tx.all(OWNERS_OF_LINES, (given,)).await?;
        if owned.iter().all(|row| row.relay.is_none()) {
            return Ok(LineMove::NoSuchLine);
        }
        let mut addresses: Vec<String> = owned.into_iter().map(|row| row.address).collect();
        addresses.sort_unstable();
        for address in &addresses {
            tx.execute(SET_OWNER, (address, relay.as_str(), now))
                .await?;
        }
        tx.commit().await?;
        Ok(LineMove::Moved(addresses))
    }

    async fn lock_owners(&self, tx: &mut Tx) -> Result<(), StoreError> {
        if matches!(self.pools, Pools::Postgres(_)) {
            tx.execute(LOCK_OWNERS, ()).await?;
        }
        Ok(())
    }
}

/// The parameter of [`OWNERS_OF_LINES`].
fn json_lines(addresses: &BTreeSet<LineAddress>) -> String {
    let lines = addresses.iter();
    let lines = lines.map(|row| json!({ "line": row.line, "address": row.address }));
    lines.collect::<serde_json::Value>().to_string()
}

/// The owner of each line: that of its address with the earliest owner.
fn owner_by_line(owned: &[OwnedAddress]) -> BTreeMap<&str, &str> {
    let mut owners = BTreeMap::new();
    for row in owned {
        if let Some(relay) = &row.relay {
            owners.entry(&*row.line).or_insert(&**relay);
        }
    }
    owners
}

/// The names of the lines that another relay answers.
fn of_others(relay: &RelayName, owners: &BTreeMap<&str, &str>) -> BTreeSet<String> {
    let others = owners.iter().filter(|(_, owner)| **owner != relay.as_str());
    others.map(|(line, _)| (*line).to_owned()).collect()
}
