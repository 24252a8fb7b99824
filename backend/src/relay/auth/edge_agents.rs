//! Distinguishes the relays of the earlier deployment, which share one secret without a name.
//!
//! There is one such relay, an edge agent, for each persona, and each sends its name in a header. The relay that was
//! seen first gets the name `default`, because the conversations that were taken over from that deployment have it.

use std::sync::OnceLock;

use http::HeaderMap;
use shared_protocol::RelayName;

use super::single_value;
use crate::clock::Timestamp;
use crate::store::{Store, StoreError};

const HEADER: &str = "x-edge-agent-id";

/// Caches the name of the relay that was seen first.
#[derive(Default)]
pub(super) struct EdgeAgents {
    first: OnceLock<String>,
}

impl EdgeAgents {
    /// The relay that the header names. `None` for the relay that was seen first, and for a header without a
    /// valid name.
    pub(super) async fn relay(
        &self,
        store: &Store,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Option<RelayName>, StoreError> {
        let agent = single_value(headers, HEADER).and_then(|name| std::str::from_utf8(name).ok());
        let Some((agent, relay)) = agent.and_then(|agent| Some((agent, RelayName::edge(agent)?)))
        else {
            return Ok(None);
        };
        let first = if let Some(first) = self.first.get() {
            first
        } else {
            let first = store.first_edge_agent(agent, now).await?;
            self.first.get_or_init(|| first)
        };
        Ok((agent != first).then_some(relay))
    }
}
