//! Values for columns that the steps have no field for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Label;

/// Columns by name.
pub type Columns = BTreeMap<String, Cell>;

/// A value in a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Cell {
    /// Integer.
    Int(i64),
    /// Floating point, where no macOS would put one.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes in hexadecimal.
    Hex {
        /// The digits.
        hex: String,
    },
    /// That many zero bytes, in place of bytes that were not recorded.
    Zeros {
        /// How many.
        zeros: usize,
    },
    /// The guid of a message of this script.
    Guid {
        /// Its name.
        guid_of: Label,
        /// What stands before it, such as `p:0/` or `bp:`.
        #[serde(default, skip_serializing_if = "super::is_default")]
        prefix: String,
    },
    /// An instant, in seconds after the script's start.
    At {
        /// The seconds; negative for before.
        at: f64,
    },
    /// NULL
    Null,
}
