//! Whom a turn speaks to: whether this relay answers its line, and in a group whether the persona is meant.

use std::collections::BTreeSet;

use shared_protocol::Address;

use super::persona::Persona;
use super::said::Said;
use super::turn_message::TurnMessage;
use crate::clock::Timestamp;
use crate::store::{LineAddress, Store, StoreError};

/// Why the turn is not to be answered by this relay or this persona.
pub(super) async fn not_for_us(
    store: &Store,
    persona: &Persona,
    said: &Said,
    now: Timestamp,
) -> Result<Option<&'static str>, StoreError> {
    let conversation = &said.facts.conversation;
    if conversation.mode == "group" && !is_spoken_to(store, persona, said).await? {
        return Ok(Some("not_addressed"));
    }
    if conversation.line.is_empty() {
        return Ok(None);
    }
    // The heartbeat claims the line as well. A relay that never pulls has no other way to claim it.
    let own = said.facts.line_addresses.iter();
    let addresses: BTreeSet<LineAddress> = own
        .chain([&conversation.line])
        .map(|address| LineAddress {
            address: address.clone(),
            line: conversation.line.clone(),
        })
        .collect();
    let claim = store.claim_lines(&said.relay, &addresses, now).await?;
    if !claim.of_others.contains(&conversation.line) {
        return Ok(None);
    }
    metrics::counter!("reply_alerts_total", "kind" => "line_elsewhere").increment(1);
    tracing::error!(
        relay = said.relay.as_str(),
        "a message came in on a line that another relay answers; it is stored and not answered"
    );
    Ok(Some("line_elsewhere"))
}

/// Whether a message of a group says the persona's name, mentions the line, or replies to one of our bubbles.
async fn is_spoken_to(store: &Store, persona: &Persona, said: &Said) -> Result<bool, StoreError> {
    let line: Vec<&str> = (said.facts.line_addresses.iter())
        .chain([&said.facts.conversation.line])
        .map(String::as_str)
        .collect();
    let mentions_line = |message: &TurnMessage| {
        let mut mentioned = message.mentions.iter();
        mentioned.any(|it| {
            let address = Address::parse(it);
            address.is_some_and(|address| line.contains(&address.as_str()))
        })
    };
    let is_named = |message: &TurnMessage| persona.is_named_in(&message.text);
    if said
        .unanswered()
        .any(|it| is_named(it) || mentions_line(it))
    {
        return Ok(true);
    }
    let replied_to: Vec<&str> = (said.unanswered())
        .filter_map(|message| message.reply_to_guid.as_deref())
        .collect();
    let sent = store.sent_among(said.relay.as_str(), &replied_to).await?;
    Ok(!sent.is_empty())
}
