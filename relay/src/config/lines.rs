//! What the owner says about own addresses: `own_addresses`, `lines`, and the old `owner_handle`.
//!
//! Problems name an address by its place, because no full address stands in an error.

use std::collections::HashMap;

use chatdb::{Address, Declaration};

use super::{ConfigProblems, Value, Values};

const NO_ADDRESS: &str = "is neither a phone number with + and its country nor an e-mail address";

/// Reads the three keys; what is wrong with them goes into `problems`.
pub(super) fn read(values: &Values, problems: &mut ConfigProblems) -> Declaration {
    let mut declaration = Declaration::default();
    if let Some(value) = filled(values, "own_addresses") {
        for (place, entry) in (1..).zip(value.text.split(',')) {
            let (list, text) = match entry.trim().strip_prefix('!') {
                Some(others) => (&mut declaration.others, others),
                None => (&mut declaration.own, entry),
            };
            if let Some(address) = account_address(text) {
                push_new(list, address);
            } else {
                let text = format!("address {place} {NO_ADDRESS}");
                problems.add("own_addresses", Some(&value.source), text);
            }
        }
    }
    if let Some(value) = filled(values, "lines") {
        match lines(&value.text) {
            Ok(lines) => declaration.lines = lines,
            Err(problem) => problems.add("lines", Some(&value.source), problem),
        }
    }
    // Anything was taken here once, so anything still is.
    if let Some(address) = filled(values, "owner_handle").and_then(|v| Address::parse(&v.text)) {
        push_new(&mut declaration.own, address);
    }
    let own = declaration.lines.iter().flatten().chain(&declaration.own);
    if own.clone().any(|own| declaration.others.contains(own)) {
        let source = values.get("own_addresses").map(|value| &value.source);
        let text = "an address behind an exclamation mark is called an own one elsewhere";
        problems.add("own_addresses", source, text);
    }
    declaration
}

/// `a|b,c|d`.
fn lines(text: &str) -> Result<Vec<Vec<Address>>, String> {
    let mut lines = Vec::new();
    let mut line_of = HashMap::new();
    for (number, entries) in (1..).zip(text.split(',')) {
        if entries.trim().is_empty() {
            return Err(format!("line {number} has no address"));
        }
        let mut line = Vec::new();
        for (place, entry) in (1..).zip(entries.split('|')) {
            let address = account_address(entry)
                .ok_or_else(|| format!("address {place} of line {number} {NO_ADDRESS}"))?;
            let first = *line_of.entry(address.clone()).or_insert(number);
            if first != number {
                return Err(format!(
                    "address {place} of line {number} is in line {first} too; it must be in one"
                ));
            }
            push_new(&mut line, address);
        }
        lines.push(line);
    }
    Ok(lines)
}

fn filled<'v>(values: &'v Values, key: &str) -> Option<&'v Value> {
    values
        .get(key)
        .filter(|value| !value.text.trim().is_empty())
}

fn account_address(text: &str) -> Option<Address> {
    Address::parse(text).filter(Address::is_of_an_account)
}

fn push_new(list: &mut Vec<Address>, address: Address) {
    if !list.contains(&address) {
        list.push(address);
    }
}
