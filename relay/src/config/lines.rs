//! The owner's own addresses: the keys `own_addresses`, `lines` and the older `owner_handle`.
//!
//! A problem names an address by its place in the list, because an error must not contain a full address.

use std::collections::HashMap;

use chatdb::{Address, Declaration};

use super::Values;

const NO_ADDRESS: &str = "is neither a phone number with + and its country nor an e-mail address";

/// Reads the three keys. Wrong values become problems of `values`.
pub(super) fn read(values: &mut Values) -> Declaration {
    let mut declaration = Declaration::default();
    if let Some(text) = values.text("own_addresses") {
        for (place, entry) in (1..).zip(text.split(',')) {
            // An address after an exclamation mark is not an own one, even if chat.db suggests it.
            let (list, text) = match entry.trim().strip_prefix('!') {
                Some(other) => (&mut declaration.others, other),
                None => (&mut declaration.own, entry),
            };
            if let Some(address) = account_address(text) {
                push_new(list, address);
            } else {
                values.reject("own_addresses", format!("address {place} {NO_ADDRESS}"));
            }
        }
    }
    if let Some(text) = values.text("lines") {
        match parse_lines(&text) {
            Ok(lines) => declaration.lines = lines,
            Err(problem) => values.reject("lines", problem),
        }
    }
    // The first release accepted any text for this key, so a text that is no address is ignored.
    if let Some(address) = values
        .text("owner_handle")
        .and_then(|text| Address::parse(&text))
    {
        push_new(&mut declaration.own, address);
    }
    let mut own = declaration.lines.iter().flatten().chain(&declaration.own);
    if own.any(|own| declaration.others.contains(own)) {
        let text =
            "an address with an exclamation mark before it is listed as an own one elsewhere";
        values.reject("own_addresses", text);
    }
    declaration
}

/// Parses `a|b,c|d`: lines separated by commas, the addresses of a line by `|`.
fn parse_lines(text: &str) -> Result<Vec<Vec<Address>>, String> {
    let mut lines = Vec::new();
    let mut line_by_address = HashMap::new();
    for (number, entries) in (1..).zip(text.split(',')) {
        if entries.trim().is_empty() {
            return Err(format!("line {number} has no address"));
        }
        let mut line = Vec::new();
        for (place, entry) in (1..).zip(entries.split('|')) {
            let address = account_address(entry)
                .ok_or_else(|| format!("address {place} of line {number} {NO_ADDRESS}"))?;
            let known_line = *line_by_address.entry(address.clone()).or_insert(number);
            if known_line != number {
                return Err(format!(
                    "address {place} of line {number} is in line {known_line} too; it must be in one"
                ));
            }
            push_new(&mut line, address);
        }
        lines.push(line);
    }
    Ok(lines)
}

/// A phone number with its country, or an e-mail address; `None` for another text.
fn account_address(text: &str) -> Option<Address> {
    Address::parse(text).filter(Address::is_of_an_account)
}

/// Appends an address that the list does not have yet.
fn push_new(list: &mut Vec<Address>, address: Address) {
    if !list.contains(&address) {
        list.push(address);
    }
}
