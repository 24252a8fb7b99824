//! Which relay answers a line: the first that brought one of its addresses, or the one that an operator chose.
//!
//! Two relays can have the same line: two Macs with one account. If both answered, each message would get two replies.
//! Two relays may name a line by different addresses, so each address is written down with its owner.

use std::collections::{BTreeMap, BTreeSet};

use shared_protocol::{Address, RelayName};
use sqlx::FromRow;

use crate::clock::Timestamp;
use crate::store::execute::Execute;
use crate::store::statement::statements;
use crate::store::{LineAddress, Store, StoreError};

statements! {
    /// The owners of the addresses in a JSON list.
    OWNERS_OF_ADDRESSES {
        postgres: "select line, relay, since from line_owners
                   where line = any(array(select json_array_elements_text($1::json)))
                   order by since, line",
        sqlite: "select line, relay, since from line_owners
                 where line in (select value from json_each($1)) order by since, line",
    }
    CLAIM_ADDRESS {
        both: "insert into line_owners (line, relay, since) values ($1, $2, $3)
               on conflict (line) do nothing",
    }
    LINE_OWNERS { both: "select line, relay, since from line_owners order by relay, line" }
    /// The addresses of every line that has the address $1.
    ADDRESSES_BESIDE {
        both: "select distinct o.address from relay_lines l
               join relay_lines o on o.relay = l.relay and o.line = l.line
               where l.address = $1 order by o.address",
    }
    MOVE_ADDRESS {
        both: "insert into line_owners (line, relay, since) values ($1, $2, $3)
               on conflict (line) do update set relay = excluded.relay, since = excluded.since",
    }
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
    /// Makes `relay` answer those of its lines that no other relay answers. Writes nothing if each address has an owner.
    pub async fn claim_lines(
        &self,
        relay: &RelayName,
        addresses: &BTreeSet<LineAddress>,
        now: Timestamp,
    ) -> Result<LineClaim, StoreError> {
        let texts: Vec<_> = addresses.iter().map(|row| &*row.address).collect();
        let texts = serde_json::json!(texts).to_string();
        let mut reads = self.reserved.reads();
        let owned: Vec<LineOwner> = reads.all(OWNERS_OF_ADDRESSES, (&texts,)).await?;
        if owned.len() == addresses.len() {
            return Ok(LineClaim {
                of_others: lines_of_others(relay, addresses, &owned),
                is_news: false,
            });
        }
        let mut tx = self.reserved.begin_write().await?;
        let owned: Vec<LineOwner> = tx.all(OWNERS_OF_ADDRESSES, (&texts,)).await?;
        let owners = owner_by_line(addresses, &owned);
        for row in addresses {
            let answers = owners.get(&*row.line).copied().unwrap_or(relay.as_str());
            let params = (&row.address, answers, now);
            tx.execute(CLAIM_ADDRESS, params).await?;
        }
        let owned: Vec<LineOwner> = tx.all(OWNERS_OF_ADDRESSES, (&texts,)).await?;
        tx.commit().await?;
        Ok(LineClaim {
            of_others: lines_of_others(relay, addresses, &owned),
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
        let address = address.as_str();
        let mut tx = self.pools.begin_write().await?;
        let known: Option<i32> = tx.optional_value(IS_RELAY, (relay.as_str(),)).await?;
        if known.is_none() {
            return Ok(LineMove::NoSuchRelay);
        }
        let mut addresses: Vec<String> = tx.values(ADDRESSES_BESIDE, (address,)).await?;
        if addresses.is_empty() {
            let given = serde_json::json!([address]).to_string();
            let owned: Vec<LineOwner> = tx.all(OWNERS_OF_ADDRESSES, (given,)).await?;
            addresses.extend(owned.into_iter().map(|owner| owner.address));
        }
        if addresses.is_empty() {
            return Ok(LineMove::NoSuchLine);
        }
        for address in &addresses {
            let params = (address, relay.as_str(), now);
            tx.execute(MOVE_ADDRESS, params).await?;
        }
        tx.commit().await?;
        Ok(LineMove::Moved(addresses))
    }
}

/// The owner of each line: that of its address with the earliest owner. `owned` begins with the earliest.
fn owner_by_line<'a>(
    addresses: &'a BTreeSet<LineAddress>,
    owned: &'a [LineOwner],
) -> BTreeMap<&'a str, &'a str> {
    let mut owners = BTreeMap::new();
    for owner in owned {
        if let Some(row) = addresses.iter().find(|row| row.address == owner.address) {
            owners.entry(&*row.line).or_insert(&*owner.relay);
        }
    }
    owners
}

fn lines_of_others(
    relay: &RelayName,
    addresses: &BTreeSet<LineAddress>,
    owned: &[LineOwner],
) -> BTreeSet<String> {
    owner_by_line(addresses, owned)
        .into_iter()
        .filter(|(_, owner)| *owner != relay.as_str())
        .map(|(line, _)| line.to_owned())
        .collect()
}
