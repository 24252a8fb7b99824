//! Which of several relays that share a secret without a name a request comes from.
//!
//! The predecessor's relays, one for each persona, have one secret and say in a header what they are
//! called. The first that ever came is `default`, so that its conversations of before go on.

use std::sync::OnceLock;

use http::HeaderMap;
use shared_protocol::RelayName;

use super::single;
use crate::clock::Timestamp;
use crate::store::{Store, StoreError};

/// The header in which such a relay names itself.
const HEADER: &str = "x-edge-agent-id";

/// A memory of who was first.
#[derive(Default)]
pub(super) struct EdgeAgents {
    first: OnceLock<String>,
}

impl EdgeAgents {
    /// The relay that the header names. `None` for the first one, which is `default`, and for a header
    /// without a usable name.
    pub(super) async fn relay(
        &self,
        store: &Store,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Option<RelayName>, StoreError> {
        let agent = single(headers, HEADER).and_then(|name| std::str::from_utf8(name).ok());
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
