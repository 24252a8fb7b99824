//! The rows of chat.db among which the row of a bubble can be.

/// Where chat.db stood right before a bubble was passed to Messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    /// Which file chat.db was ([`chat_db_file`](super::super::read_position::chat_db_file)). Another file has other
    /// ROWIDs; there, only the date counts.
    pub file: String,
    /// The highest ROWID of `message`.
    pub rowid: i64,
}
