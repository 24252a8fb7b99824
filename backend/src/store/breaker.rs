//! Whether codes that are sent somewhere are ever confirmed: who pumps messages confirms none.
//!
//! Codes are counted in the five minutes in which they were sent, and a confirmation counts where its
//! code does; what is judged is the last two hours less the youngest codes, which may yet be confirmed.
//! Where enough were sent and too few confirmed, nothing is sent for an hour. Codes are counted by
//! block of numbers alone; a country is judged over its blocks, and of each block only so many codes
//! weigh, so that a few blocks that are pumped do not take their country with them.

use std::time::Duration;

use super::StoreError;
use super::execute::Execute;
use super::limits::{COUNT_DOWN, window_start};
use super::statement::statements;
use super::transaction::Tx;
use crate::clock::Timestamp;

const BUCKET: Duration = Duration::from_mins(5);
/// By then a code is confirmed or will not be.
const RIPE_AFTER: Duration = Duration::from_mins(10);
const JUDGED: Duration = Duration::from_hours(2);
const OPEN_FOR: Duration = Duration::from_hours(1);
/// The one row of an open breaker has no window.
const NO_WINDOW: Timestamp = Timestamp::from_micros(0);
/// What is counted of a block.
const SENT: &str = "sent_prefix";
const CONFIRMED: &str = "confirmed_prefix";

statements! {
    COUNT_CODE {
        both: "insert into rate_counters (scope, key, window_start, count, expires_at)
               values ($1, $2, $3, 1, $4)
               on conflict (scope, key, window_start) do update set count = rate_counters.count + 1",
    }
    /// What was sent to the blocks from $3 to $4, and the hundredfold of what was confirmed. A block
    /// beyond $7 codes weighs as much as $7 of which the same share was confirmed.
    WEIGH_BLOCKS {
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
    /// Returns a row to the one that opened it.
    OPEN_BREAKER {
        both: "insert into rate_counters (scope, key, window_start, count, expires_at)
               values ($1, $2, $3, 1, $4)
               on conflict (scope, key, window_start) do update set
                 count = rate_counters.count + 1, expires_at = excluded.expires_at
               where rate_counters.expires_at <= $5
               returning count",
    }
}

/// What a breaker watches over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum Area {
    /// A block of ten thousand numbers.
    Prefix,
    /// A country.
    Country,
}

impl Area {
    const fn open(self) -> &'static str {
        match self {
            Self::Prefix => "open_prefix",
            Self::Country => "open_country",
        }
    }
}

/// A block of numbers: keyed hashes of its country, and then of itself, so that the blocks of a country
/// lie side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block([u8; 32]);

const COUNTRY_LEN: usize = 16;

impl Block {
    /// Of halves of two keyed hashes.
    pub fn new(country: &[u8; 32], block: &[u8; 32]) -> Self {
        let mut key = *block;
        key[..COUNTRY_LEN].copy_from_slice(&country[..COUNTRY_LEN]);
        Self(key)
    }

    /// This block, or the first and the last that its country can have.
    fn range(self, area: Area) -> ([u8; 32], [u8; 32]) {
        let (mut first, mut last) = (self.0, self.0);
        if area == Area::Country {
            first[COUNTRY_LEN..].fill(0);
            last[COUNTRY_LEN..].fill(u8::MAX);
        }
        (first, last)
    }
}

/// One place to which codes are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// What kind of place.
    pub area: Area,
    /// Which: this block, or the country that it is of.
    pub block: Block,
    /// Fewer codes prove nothing.
    pub min_sent: u32,
    /// The share, in percent, that has to be confirmed. 0: any will do.
    pub min_percent: u32,
    /// How many codes of one block weigh.
    pub most_per_block: u32,
}

impl Breaker {
    /// Under which its opening is kept.
    fn key(&self) -> [u8; 32] {
        self.block.range(self.area).0
    }
}

/// Nothing is sent there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// What kind of place.
    pub area: Area,
    /// Until when.
    pub until: Timestamp,
    /// Whether it was this look that opened it.
    pub since: Since,
}

/// When a breaker opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// With this look.
    Now,
    /// Earlier.
    Before,
}

/// Finds an open breaker, or one that has to open now, and opens it.
pub(in crate::store) async fn find_open(
    tx: &mut Tx,
    breakers: &[Breaker],
    now: Timestamp,
) -> Result<Option<Open>, StoreError> {
    for breaker in breakers {
        let area = breaker.area;
        let params = (area.open(), &breaker.key()[..], NO_WINDOW, now);
        if let Some(until) = tx.optional_value(BREAKER_OPEN_UNTIL, params).await? {
            let since = Since::Before;
            return Ok(Some(Open { area, until, since }));
        }
        if is_failing(tx, breaker, now).await? {
            let until = now.plus(OPEN_FOR);
            let since = open(tx, breaker, now, until).await?;
            return Ok(Some(Open { area, until, since }));
        }
    }
    Ok(None)
}

async fn is_failing(tx: &mut Tx, breaker: &Breaker, now: Timestamp) -> Result<bool, StoreError> {
    let (first, last) = breaker.block.range(breaker.area);
    let ripe = now.minus(RIPE_AFTER);
    let params = (
        SENT,
        CONFIRMED,
        &first[..],
        &last[..],
        ripe.minus(JUDGED),
        ripe,
        i64::from(breaker.most_per_block.max(1)),
    );
    let (sent, confirmed_hundredfold): (i64, i64) = tx.one(WEIGH_BLOCKS, params).await?;
    let is_proof = sent > 0 && sent >= i64::from(breaker.min_sent);
    Ok(is_proof && confirmed_hundredfold < sent * i64::from(breaker.min_percent))
}

async fn open(
    tx: &mut Tx,
    breaker: &Breaker,
    now: Timestamp,
    until: Timestamp,
) -> Result<Since, StoreError> {
    let params = (
        breaker.area.open(),
        &breaker.key()[..],
        NO_WINDOW,
        until,
        now,
    );
    let opened: Option<i64> = tx.optional_value(OPEN_BREAKER, params).await?;
    Ok(opened.map_or(Since::Before, |_| Since::Now))
}

/// Counts a code that is about to be sent.
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
    let start = window_start(sent_at, BUCKET);
    let params = (scope, &block.0[..], start, start.plus(JUDGED + OPEN_FOR));
    tx.execute(COUNT_CODE, params).await?;
    Ok(())
}

/// Takes back what [`count_sent`] counted: the code was not sent.
pub(in crate::store) async fn uncount_sent(
    tx: &mut Tx,
    block: Block,
    sent_at: Timestamp,
) -> Result<(), StoreError> {
    let params = (SENT, &block.0[..], window_start(sent_at, BUCKET));
    tx.execute(COUNT_DOWN, params).await?;
    Ok(())
}
