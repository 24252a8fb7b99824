//! Reads columns of any type.
//!
//! In SQLite any column can have a value of any type. A value of an unexpected type reads as absent.

use std::borrow::Cow;

use rusqlite::types::ValueRef;
use rusqlite::{Row, RowIndex};

use crate::Address;

/// A text; a blob of UTF-8 counts as text, and an empty text as absent. Invalid bytes of a text are replaced, so
/// that one odd byte loses neither the rest of the text nor, in a guid, the whole row.
pub(super) fn text(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Option<String>> {
    let text = match row.get_ref(column)? {
        ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes)),
        ValueRef::Blob(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        _ => None,
    };
    Ok(text.filter(|text| !text.is_empty()).map(Cow::into_owned))
}

/// An address in the normal form of [`Address`].
pub(super) fn address(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<Option<String>> {
    let address = text(row, column)?.and_then(|text| Address::parse(&text));
    Ok(address.map(Address::into_string))
}

/// The first `max` characters of a text without surrounding white space; `None` if it is empty.
pub(super) fn clipped(text: &str, max: usize) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.chars().take(max).collect())
}

/// An integer; an absent value reads as 0, which is the default of the columns that are read.
pub(super) fn integer(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<i64> {
    Ok(match row.get_ref(column)? {
        ValueRef::Integer(number) => number,
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a fraction is cut off, and a number out of range is saturated"
        )]
        ValueRef::Real(number) => number as i64,
        _ => 0,
    })
}

/// Whether an integer is not 0; an absent value reads as false.
pub(super) fn flag(row: &Row<'_>, column: impl RowIndex) -> rusqlite::Result<bool> {
    Ok(integer(row, column)? != 0)
}

/// Bytes; a text reads as its bytes, and an empty value as absent.
pub(super) fn bytes<'r>(
    row: &'r Row<'_>,
    column: impl RowIndex,
) -> rusqlite::Result<Option<&'r [u8]>> {
    Ok(match row.get_ref(column)? {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) if !bytes.is_empty() => Some(bytes),
        _ => None,
    })
}
