//! Finds commands of which no bell told.
//!
//! One statement every two seconds compares the number of the last command of each relay whose pull this process holds
//! with the number that the pull has seen. So a held pull costs no statement of its own.

use std::time::Duration;

use crate::store::execute::Execute;
use crate::store::statement::statements;
use crate::store::{Store, StoreError};

/// The pause between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);

statements! {
    /// The number of the last command of each relay in a JSON list.
    LAST_NUMBERS {
        postgres: "select name, command_seq from relays
                   where name = any(array(select json_array_elements_text($1::json)))",
        sqlite: "select name, command_seq from relays where name in (select value from json_each($1))",
    }
}

impl Store {
    /// Looks, without end, for commands of which no bell told.
    pub async fn watch_commands(&self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Err(error) = self.look_for_commands().await {
                tracing::warn!(error = %error, "new commands were not looked for; trying again");
            }
        }
    }

    /// Rings the bells of the relays that have a newer command than their held pulls have seen: one statement for all
    /// held pulls of this process, and none if it holds no pull.
    pub async fn look_for_commands(&self) -> Result<(), StoreError> {
        let relays = self.command_signal.relays();
        if relays.is_empty() {
            return Ok(());
        }
        let relays = serde_json::json!(relays).to_string();
        let mut reads = self.reserved.reads();
        let rows: Vec<(String, i64)> = reads.all(LAST_NUMBERS, (relays,)).await?;
        for (relay, last_seq) in &rows {
            self.command_signal.ring_if_newer(relay, *last_seq);
        }
        Ok(())
    }
}
