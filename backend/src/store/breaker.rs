//! A breaker stops the codes to a block of phone numbers, or to a country, if too few codes are confirmed there. That
//! is a sign of SMS pumping: fraud with messages that the sender pays for.
//!
//! A code and its confirmation are counted in the five minutes in which the code was sent. A breaker looks at the
//! codes of two hours, without the youngest ones, which may still be confirmed. If enough codes were sent and too few
//! were confirmed, the breaker opens: for an hour, no code is sent to its block or country. Codes are counted by
//! block. The codes of a country are those of its blocks. Of each block only a limited number counts, so that fraud in
//! a few blocks does not stop the codes to their country.

use std::time::Duration;

use super::StoreError;
use super::execute::Execute;
use super::limits::{COUNT_DOWN, window_start};
use super::statement::statements;
use super::transaction::Tx;
use crate::clock::Timestamp;

/// The length of the time that one counter covers.
const COUNTER_WINDOW: Duration = Duration::from_mins(5);
/// The age from which a code counts. After that age a code is hardly ever confirmed.
const COUNTS_AFTER: Duration = Duration::from_mins(10);
/// The length of the time whose codes a breaker counts. It ends [`COUNTS_AFTER`] ago.
const OBSERVED_FOR: Duration = Duration::from_hours(2);
/// How long a breaker stays open.
const OPEN_FOR: Duration = Duration::from_hours(1);
/// The `window_start` of an open breaker's row, which belongs to no window.
const NO_WINDOW: Timestamp = Timestamp::from_micros(0);
/// The scope of the counters of codes sent to a block.
const SENT: &str = "sent_prefix";
/// The scope of the counters of confirmed codes of a block.
const CONFIRMED: &str = "confirmed_prefix";

statements! {
    COUNT_CODE {
        both: "insert into rate_counters (scope, key, window_start, count, expires_at)
               values ($1, $2, $3, 1, $4)
               on conflict (scope, key, window_start) do update set count = rate_counters.count + 1",
    }
    /// The number of codes sent to the blocks from $3 to $4, and a hundred times the number of confirmed ones. A
    /// block with more than $7 codes counts as one with $7 codes of which the same share was confirmed.
    SUM_BLOCKS {
        both: "select
                 cast(coalesce(sum(case when sent > $7 then $7 else sent end), 0) as bigint),
                 cast(coalesce(sum(case when sent > $7 then confirmed * 100 * $7 / sent
                   else confirmed * 100 end), 0) as bigint)
               from (
                 select sum(case when scope = $1 then count else 0 end) as sent,
                   sum(case when scope = $2 then count else 0 end) as confirmed
                 from rate_counters
                 where scope in ($1, $2) and key >= $3 and key <= $4
                   and window_start > $5 and window_start <= $6
                 group by key) blocks
               where sent > 0",
    }
    BREAKER_OPEN_UNTIL {
        both: "select expires_at from rate_counters
               where scope = $1 and key = $2 and window_start = $3 and expires_at > $4",
    }
    /// Returns a row only to the caller that opened the breaker.
    OPEN_BREAKER {
        both: "insert into rate_counters (scope, key, window_start, count, expires_at)
               values ($1, $2, $3, 1, $4)
               on conflict (scope, key, window_start) do update set
                 count = rate_counters.count + 1, expires_at = excluded.expires_at
               where rate_counters.expires_at <= $5
               returning count",
    }
}

/// The phone numbers whose codes a breaker stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum Area {
    /// A block: ten thousand numbers with the same prefix.
    Prefix,
    Country,
}

impl Area {
    /// The scope of the row of an open breaker.
    const fn open_scope(self) -> &'static str {
        match self {
            Self::Prefix => "open_prefix",
            Self::Country => "open_country",
        }
    }
}

/// The key of a block of numbers: half a keyed hash of its country, followed by half a keyed hash of its prefix. So the
/// blocks of a country are adjacent in an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block([u8; 32]);

/// The number of bytes of a block's key that are from the hash of the country.
const COUNTRY_LEN: usize = 16;

impl Block {
    /// `country` is the keyed hash of the country, `block` that of the prefix.
    pub fn new(country: &[u8; 32], block: &[u8; 32]) -> Self {
        let mut key = *block;
        key[..COUNTRY_LEN].copy_from_slice(&country[..COUNTRY_LEN]);
        Self(key)
    }

    /// The first and the last key of the blocks of an area: for a prefix this block's key twice, for a country the
    /// least and the greatest key that a block of the country can have.
    fn range(self, area: Area) -> ([u8; 32], [u8; 32]) {
        let (mut first, mut last) = (self.0, self.0);
        if area == Area::Country {
            first[COUNTRY_LEN..].fill(0);
            last[COUNTRY_LEN..].fill(u8::MAX);
        }
        (first, last)
    }
}

/// The breaker of one block or country.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    pub area: Area,
    /// The block, or any block of the country.
    pub block: Block,
    /// The breaker does not open if fewer codes were sent.
    pub min_sent: u32,
    /// The breaker opens if a smaller share of the codes, in percent, was confirmed. With 0 it never opens.
    pub min_percent: u32,
    /// The maximum number of codes of one block that count.
    pub max_per_block: u32,
}

impl Breaker {
    /// The key of the breaker's row while it is open.
    fn key(&self) -> [u8; 32] {
        self.block.range(self.area).0
    }
}

/// An open breaker: no codes are sent to its block or country.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenBreaker {
    pub area: Area,
    pub until: Timestamp,
    pub opened_by: OpenedBy,
}

/// Which request opened a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenedBy {
    ThisRequest,
    /// An earlier or simultaneous request.
    EarlierRequest,
}

/// Returns the first of `breakers` that is open or that opens now, because too few of its codes were confirmed.
pub(in crate::store) async fn find_or_open(
    tx: &mut Tx,
    breakers: &[Breaker],
    now: Timestamp,
) -> Result<Option<OpenBreaker>, StoreError> {
    for breaker in breakers {
        let area = breaker.area;
        let params = (area.open_scope(), &breaker.key()[..], NO_WINDOW, now);
        if let Some(until) = tx.optional_value(BREAKER_OPEN_UNTIL, params).await? {
            let opened_by = OpenedBy::EarlierRequest;
            return Ok(Some(OpenBreaker {
                area,
                until,
                opened_by,
            }));
        }
        if has_too_few_confirmed(tx, breaker, now).await? {
            let until = now.plus(OPEN_FOR);
            let opened_by = open(tx, breaker, now, until).await?;
            return Ok(Some(OpenBreaker {
                area,
                until,
                opened_by,
            }));
        }
    }
    Ok(None)
}

/// Whether at least `min_sent` codes were sent and fewer than `min_percent` percent of them were confirmed.
async fn has_too_few_confirmed(
    tx: &mut Tx,
    breaker: &Breaker,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (first, last) = breaker.block.range(breaker.area);
    let until = now.minus(COUNTS_AFTER);
    let params = (
        SENT,
        CONFIRMED,
        &first[..],
        &last[..],
        until.minus(OBSERVED_FOR),
        until,
        i64::from(breaker.max_per_block.max(1)),
    );
    let (sent, confirmed_hundredfold): (i64, i64) = tx.one(SUM_BLOCKS, params).await?;
    let are_enough_sent = sent > 0 && sent >= i64::from(breaker.min_sent);
    Ok(are_enough_sent && confirmed_hundredfold < sent * i64::from(breaker.min_percent))
}

/// Opens a breaker until `until`, unless a simultaneous request has opened it.
async fn open(
    tx: &mut Tx,
    breaker: &Breaker,
    now: Timestamp,
    until: Timestamp,
) -> Result<OpenedBy, StoreError> {
    let params = (
        breaker.area.open_scope(),
        &breaker.key()[..],
        NO_WINDOW,
        until,
        now,
    );
    let opened: Option<i64> = tx.optional_value(OPEN_BREAKER, params).await?;
    Ok(opened.map_or(OpenedBy::EarlierRequest, |_| OpenedBy::ThisRequest))
}

/// Counts a code that is to be sent.
pub(in crate::store) async fn count_sent(
    tx: &mut Tx,
    block: Block,
    sent_at: Timestamp,
) -> Result<(), StoreError> {
    count(tx, SENT, block, sent_at).await
}

/// Counts the confirmation of a code that was sent at `sent_at`.
pub(in crate::store) async fn count_confirmed(
    tx: &mut Tx,
    block: Block,
    sent_at: Timestamp,
) -> Result<(), StoreError> {
    count(tx, CONFIRMED, block, sent_at).await
}

async fn count(
    tx: &mut Tx,
    scope: &'static str,
    block: Block,
    sent_at: Timestamp,
) -> Result<(), StoreError> {
    let start = window_start(sent_at, COUNTER_WINDOW);
    let params = (
        scope,
        &block.0[..],
        start,
        start.plus(OBSERVED_FOR + OPEN_FOR),
    );
    tx.execute(COUNT_CODE, params).await?;
    Ok(())
}

/// Takes back what [`count_sent`] counted, since the code was not sent.
pub(in crate::store) async fn uncount_sent(
    tx: &mut Tx,
    block: Block,
    sent_at: Timestamp,
) -> Result<(), StoreError> {
    let params = (SENT, &block.0[..], window_start(sent_at, COUNTER_WINDOW));
    tx.execute(COUNT_DOWN, params).await?;
    Ok(())
}
