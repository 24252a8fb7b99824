//! Values of columns for which a step has no field of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Label;

/// Columns by name.
pub type Columns = BTreeMap<String, Cell>;

/// A value in a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    Int(i64),
    /// A floating-point number, to test columns with a value of the wrong type.
    Real(f64),
    Text(String),
    /// Bytes in hexadecimal.
    Hex {
        hex: String,
    },
    /// Bytes of value 0, in place of bytes that were not recorded.
    Zeros {
        zeros: usize,
    },
    /// The guid of a message of this script.
    Guid {
        /// The name of the message.
        guid_of: Label,
        /// The text before the guid, such as `p:0/` or `bp:`.
        #[serde(default, skip_serializing_if = "super::is_default")]
        prefix: String,
    },
    /// A time, in seconds after the script's start.
    At {
        /// The seconds; negative for a time before the start.
        at: f64,
    },
    Null,
}
