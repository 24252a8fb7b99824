//! Checks the lines of a heartbeat and turns them into a list: each address of the relay with the name of its line.
//! The first relay that brings a line answers it.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::once;

use shared_protocol::{
    Address, Line, MAX_LINE_ADDRESSES, MAX_LINES, MAX_SENDER_CHARS, RelayName, Violation,
};

use super::fields::{is_plain, violation};
use crate::clock::Timestamp;
use crate::store::{LineAddress, Store, StoreError};

/// The relay's addresses. Adds broken rules to `found`. The name of a line counts as one of its addresses, even if
/// its list of addresses does not contain the name.
pub(super) fn own_addresses(lines: &[Line], found: &mut Vec<Violation>) -> BTreeSet<LineAddress> {
    let count: usize = lines.iter().map(|line| line.addresses.len() + 1).sum();
    if lines.len() > MAX_LINES || count > MAX_LINE_ADDRESSES {
        let rule = format!("at most {MAX_LINES} lines and {MAX_LINE_ADDRESSES} addresses");
        found.push(violation("status.lines", rule));
        return BTreeSet::new();
    }
    let mut line_of = BTreeMap::new();
    for (i, line) in lines.iter().enumerate() {
        let name = Address::parse(&line.name);
        let listed = line.addresses.iter().enumerate();
        let listed = listed.map(|(n, text)| (format!("status.lines[{i}].addresses[{n}]"), text));
        for (field, text) in once((format!("status.lines[{i}].name"), &line.name)).chain(listed) {
            let address = Address::parse(text).filter(|_| is_plain(text, MAX_SENDER_CHARS));
            match (address, &name) {
                (None, _) => {
                    let rule = format!("1 to {MAX_SENDER_CHARS} characters, no control characters");
                    found.push(violation(&field, rule));
                }
                (Some(address), Some(name)) => {
                    if line_of.entry(address).or_insert_with(|| name.clone()) != name {
                        found.push(violation(&field, "the address of another line"));
                    }
                }
                // The line has no valid name, which is in `found` already.
                (Some(_), None) => {}
            }
        }
    }
    line_of
        .into_iter()
        .map(|(address, line)| LineAddress {
            address: address.into_string(),
            line: line.into_string(),
        })
        .collect()
}

/// Makes the relay answer its lines. A line that another relay brought first stays with that one.
pub(super) async fn claim(
    store: &Store,
    relay: &RelayName,
    addresses: &BTreeSet<LineAddress>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let claim = store.claim_lines(relay, addresses, now).await?;
    let count = u32::try_from(claim.of_others.len()).unwrap_or(u32::MAX);
    let gauge = metrics::gauge!("relay_lines_answered_elsewhere", "relay" => relay.to_string());
    gauge.set(f64::from(count));
    if count > 0 && claim.is_news {
        tracing::warn!(
            relay = relay.as_str(),
            lines = count,
            "another relay answers lines of this one; their messages are stored and not answered. \
             `archety-backend line list` shows them, `line move` changes it"
        );
    }
    Ok(())
}
