//! Snapshots of bodies. Relays and backends of different versions work together, so a change of a
//! snapshot is a change of the protocol.

mod answers;
mod messages;
mod pulls;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Checks that the JSON of `value` equals the snapshot `name` and is read as the same value.
#[track_caller]
pub(super) fn assert_golden<T>(name: &str, value: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let json = serde_json::to_string_pretty(value).expect("plain data");
    let read: T = serde_json::from_str(&json).expect("the JSON of the same type");
    assert_eq!(&read, value, "{name}");
    insta::assert_snapshot!(name, json);
}
