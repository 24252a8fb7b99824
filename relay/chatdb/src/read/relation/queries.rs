//! The SQL of the queries for rows near a row. The comment of each query lists its parameters; "chat" and "message" stand
//! for a ROWID.

use super::neighbour;
use crate::schema::Schema;

/// 1 chat, 2 the ROWID after which the range begins, 3 its last ROWID.
pub(in crate::read) const HAS_ROWS_AFTER: &str =
    "select 1 from chat_message_join where chat_id = ?1 and message_id > ?2 and message_id <= ?3";
/// 1 chat, 2 message.
pub(in crate::read) const LIES_IN_CHAT: &str =
    "select 1 from chat_message_join where chat_id = ?1 and message_id = ?2";
/// 1 guid.
pub(in crate::read) const ROWID_OF_CHAT: &str = "select ROWID from chat where guid = ?1";
/// 1 message.
pub(in crate::read) const LIES_IN_ANY_CHAT: &str =
    "select 1 from chat_message_join where message_id = ?1";

/// Minimum length of `message_summary_info` with an edit history that lists a notice: the guid of the notice has 36
/// bytes, the property list around it about 60.
const MIN_EDIT_BYTES: u32 = 90;

/// The queries, for the columns of one database.
#[derive(Debug)]
pub(in crate::read) struct RelationQueries {
    /// 1 guid.
    pub(in crate::read) neighbour: String,
    /// 1 chat, 2 and 3 the first and the last ROWID.
    pub(in crate::read) neighbours_between: String,
    /// 1 chat, 2 ROWID, 3 limit. The last rows come first.
    pub(in crate::read) neighbours_before: String,
    /// 1 chat, 2 ROWID, 3 limit. The last rows come first.
    pub(in crate::read) texts_before: String,
    /// Edited messages among the last rows before one. 1 chat, 2 ROWID, 3 number of rows.
    pub(in crate::read) edits_before: Option<String>,
    /// Edited messages in a range. 1 chat, 2 the ROWID after which the range begins, 3 its last ROWID.
    pub(in crate::read) edits_between: Option<String>,
    /// Whether a row is in "Recently Deleted". 1 chat, 2 message. `None` if the database has no such table.
    pub(in crate::read) was_deleted_from_chat: Option<&'static str>,
    /// The other chats of the conversation. 1 chat. A conversation has one chat per service, and there are fewer than 7
    /// other services.
    pub(in crate::read) other_chats_of_conversation: Option<String>,
}

impl RelationQueries {
    pub(in crate::read) fn build(schema: &Schema) -> Self {
        let columns = neighbour::select_list(schema);
        let column = |name| schema.column("message", "m", name);
        let handle = "left join handle h on h.ROWID = m.handle_id";
        // `cross join` keeps the order: the rows of the chat are read from the last one, and no further
        // than the limit.
        let before = |columns: &str| {
            format!(
                "select {columns} from chat_message_join j
                 cross join message m on m.ROWID = j.message_id {handle}
                 where j.chat_id = ?1 and j.message_id < ?2
                 order by j.message_id desc limit ?3"
            )
        };
        let texts = schema.list(
            "message",
            "m",
            "guid, date, is_from_me, item_type, associated_message_type, balloon_bundle_id",
        );
        let (guid, summary) = (column("guid"), column("message_summary_info"));
        let has_edits = summary != "null";
        // SQLite has the length of a column in the head of a row; the column itself is read only for rows
        // that were edited.
        let edit = [&guid, &summary].map(|column| {
            format!("case when octet_length({summary}) >= {MIN_EDIT_BYTES} then {column} end")
        });
        let edit = edit.join(", ");
        let has_identifiers = schema.column("chat", "c", "chat_identifier") != "null";
        Self {
            neighbour: format!("select {columns} from message m {handle} where m.guid = ?1"),
            neighbours_between: format!(
                "select {columns} from message m {handle}
                 where m.ROWID in (select message_id from chat_message_join
                     where chat_id = ?1 and message_id between ?2 and ?3)"
            ),
            neighbours_before: before(&columns),
            texts_before: before(&format!(
                "{texts}, {} as handle",
                schema.column("handle", "h", "id")
            )),
            edits_before: has_edits.then(|| before(&edit)),
            edits_between: has_edits.then(|| {
                format!(
                    "select {edit} from chat_message_join j
                     cross join message m on m.ROWID = j.message_id
                     where j.chat_id = ?1 and j.message_id > ?2 and j.message_id <= ?3"
                )
            }),
            was_deleted_from_chat: schema.has_table("chat_recoverable_message_join").then_some(
                "select 1 from chat_recoverable_message_join
                 where chat_id = ?1 and message_id = ?2",
            ),
            other_chats_of_conversation: has_identifiers.then(|| {
                format!(
                    "select o.ROWID from chat c
                     cross join chat o on o.chat_identifier = c.chat_identifier
                     where c.ROWID = ?1 and o.ROWID <> c.ROWID and {} is {} limit 7",
                    schema.column("chat", "o", "style"),
                    schema.column("chat", "c", "style"),
                )
            }),
        }
    }
}
