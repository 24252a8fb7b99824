//! Ends texts that no relay will report on any more, and deletes their words.
//!
//! A text that no answer has carried a day after it had to be sent was not sent: its bubbles expire. A text that is older
//! than messages are kept loses its words with its message. If an answer has carried it, its bubbles are `unknown`,
//! unless their rows were seen. A later ack still changes the state of a bubble.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::FromRow;

use super::heartbeat::LOCK_RELAY;
use crate::clock::Timestamp;
use crate::store::execute::{Execute, Params};
use crate::store::pools::retry_on_conflict;
use crate::store::statement::{Statement, statements};
use crate::store::{Store, StoreError};

/// How long after its last moment a text that no answer has carried waits for its relay.
const UNHANDED_FOR: Duration = Duration::from_hours(24);
/// The number of commands that are ended at a time.
const SLICE: i64 = 1_000;

statements! {
    /// Texts that no answer has carried and that had to be sent before the second $2. None is made after its last
    /// moment.
    UNHANDED_TEXTS {
        postgres: "select relay, id from commands
                   where done_at is null and handed_to is null and kind = 'send_message' and created_at < $1
                     and (body::json ->> 'not_after')::bigint < $2
                   order by relay, seq limit $3",
        sqlite: "select relay, id from commands
                 where done_at is null and handed_to is null and kind = 'send_message' and created_at < $1
                   and body ->> 'not_after' < $2
                 order by relay, seq limit $3",
    }
    TEXTS_FROM_BEFORE {
        both: "select relay, id from commands
               where done_at is null and kind = 'send_message' and created_at < $1
               order by relay, seq limit $2",
    }
    /// Ends the commands in a JSON list, those that an answer has carried only with $4.
    END_COMMANDS {
        postgres: "update commands set done_at = $3, body = null
                   where relay = $1 and done_at is null and (handed_to is null or $4)
                     and id = any(array(select json_array_elements_text($2::json)))
                   returning id, handed_to is not null as is_handed",
        sqlite: "update commands set done_at = $3, body = null
                 where relay = $1 and done_at is null and (handed_to is null or $4)
                   and id in (select value from json_each($2))
                 returning id, handed_to is not null as is_handed",
    }
    END_BUBBLES {
        postgres: "update command_bubbles set state = $3, code = $4, reached_at = $5, resolved_at = null
                   where relay = $1 and command_id = any(array(select json_array_elements_text($2::json)))
                     and state in ('pending', 'received', 'held', 'dispatched')",
        sqlite: "update command_bubbles set state = $3, code = $4, reached_at = $5, resolved_at = null
                 where relay = $1 and command_id in (select value from json_each($2))
                   and state in ('pending', 'received', 'held', 'dispatched')",
    }
}

/// The bubbles of texts that were ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndedBubbles {
    pub expired: u64,
    pub unknown: u64,
}

/// Which of the commands are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    /// Those that no answer has carried.
    Unhanded,
    All,
}

#[derive(FromRow)]
struct EndedCommand {
    id: String,
    is_handed: bool,
}

impl Store {
    /// Ends the texts that had to be sent more than a day ago and that no answer has carried.
    pub async fn end_unhanded_texts(&self, now: Timestamp) -> Result<EndedBubbles, StoreError> {
        let before = now.minus(UNHANDED_FOR);
        let params = (before, before.as_secs(), SLICE);
        self.end_texts(UNHANDED_TEXTS, params, Which::Unhanded, now)
            .await
    }

    /// Ends the texts that were written before `before`.
    pub async fn end_texts_from_before(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<EndedBubbles, StoreError> {
        let params = (before, SLICE);
        self.end_texts(TEXTS_FROM_BEFORE, params, Which::All, now)
            .await
    }

    /// Ends the commands that `find` returns, until it returns none.
    async fn end_texts<'q>(
        &self,
        find: Statement,
        params: impl Params<'q> + Copy,
        which: Which,
        now: Timestamp,
    ) -> Result<EndedBubbles, StoreError> {
        let mut ended = EndedBubbles::default();
        loop {
            let found: Vec<(String, String)> = self.pools.reads().all(find, params).await?;
            if found.is_empty() {
                return Ok(ended);
            }
            let mut by_relay: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (relay, id) in found {
                by_relay.entry(relay).or_default().push(id);
            }
            for (relay, ids) in &by_relay {
                let ids = &serde_json::json!(ids).to_string();
                let of_relay =
                    retry_on_conflict(|| self.end_texts_of_relay(relay, ids, which, now));
                let EndedBubbles { expired, unknown } = of_relay.await?;
                metrics::counter!("bubbles_total", "state" => "expired").increment(expired);
                metrics::counter!("bubbles_total", "state" => "unknown").increment(unknown);
                tracing::warn!(
                    relay,
                    expired,
                    unknown,
                    "the relay has not fetched these bubbles in their time, or not reported on them; they are given up, \
                     and `attention list` shows them"
                );
                ended.expired += expired;
                ended.unknown += unknown;
            }
        }
    }

    async fn end_texts_of_relay(
        &self,
        relay: &str,
        ids: &str,
        which: Which,
        now: Timestamp,
    ) -> Result<EndedBubbles, StoreError> {
        let mut tx = self.pools.begin_write().await?;
        tx.execute(LOCK_RELAY, (relay,)).await?;
        let params = (relay, ids, now, which == Which::All);
        let commands: Vec<EndedCommand> = tx.all(END_COMMANDS, params).await?;
        let ids = |is_handed: bool| {
            let ended = commands.iter().filter(|it| it.is_handed == is_handed);
            let ids: Vec<_> = ended.map(|it| &*it.id).collect();
            serde_json::json!(ids).to_string()
        };
        let params = (relay, ids(false), "expired", "not_handed", now);
        let expired = tx.execute(END_BUBBLES, params).await?;
        let params = (relay, ids(true), "unknown", "not_reported", now);
        let unknown = tx.execute(END_BUBBLES, params).await?;
        tx.commit().await?;
        Ok(EndedBubbles { expired, unknown })
    }
}
