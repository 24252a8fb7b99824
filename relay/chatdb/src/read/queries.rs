//! The SQL of the queries, built once per open database from its columns. The comment of each query lists its
//! parameters; "chat", "message" and "handle" stand for a ROWID.

use super::filters::FilterQueries;
use super::message::{POLLS, VOTE};
use super::relation::RelationQueries;
use super::{attachment, chat, message, row_digest, sent};
use crate::schema::Schema;

/// The queries, for the columns of one database.
#[derive(Debug)]
pub(super) struct Queries {
    /// 1 the ROWID after which the rows begin, 2 limit.
    pub(super) rows_after: String,
    /// 1 ROWID.
    pub(super) row_at: String,
    /// 1 guid.
    pub(super) row_by_guid: String,
    /// 1 guid. The part of a row that shows how far it was sent.
    pub(super) sent_row: String,
    /// 1 first date in nanoseconds, 2 first date in seconds, 3 the value below which dates are in seconds.
    pub(super) own_rowids_since: String,
    /// 1 message. Returns a row if an own message stands after it in one of its chats.
    pub(super) own_rows_after: String,
    /// 1 ROWID.
    pub(super) row_digest: String,
    /// 1 first date in nanoseconds, 2 first date in seconds, 3 the value below which dates are in seconds.
    pub(super) rowids_since: &'static str,
    /// 1 guid. Returns a row if the message is a poll. This query runs for almost every row.
    pub(super) is_poll: String,
    /// 1 guid.
    pub(super) poll: String,
    /// 1 guid of the first row of a poll. The rows that add choices, newest first. Each has all choices that its sender's
    /// device knew, so rows before the newest 40 add nothing; the limit bounds the work.
    pub(super) poll_updates: String,
    /// 1 message. Its chats; the one under which it is posted comes first.
    pub(super) chats: String,
    /// 1 message in "Recently Deleted". The chats from which it was deleted. `None` if the database has no such table.
    pub(super) chats_of_deleted: Option<String>,
    /// 1 guid of a chat.
    pub(super) chat_by_guid: String,
    pub(super) filters: FilterQueries,
    /// 1 chat.
    pub(super) participants: &'static str,
    /// 1 message.
    pub(super) attachments: Option<String>,
    /// 1 guid.
    pub(super) attachment_by_guid: Option<String>,
    /// Whether the database has the table `chat_lookup`, which shows which chats are one group.
    pub(super) has_chat_lookup: bool,
    /// 1 guid of a chat, 2 first date in nanoseconds.
    pub(super) first_in_chat: String,
    /// 1 the ROWID after which the rows begin.
    pub(super) addresses: String,
    /// 1 address. The ROWIDs of its handles, one per service.
    pub(super) handles: &'static str,
    /// 1 handle, 2 limit.
    pub(super) written_by: &'static str,
    /// 1 and 2 first and last date in nanoseconds, 3 and 4 the same in seconds, 5 `is_from_me`.
    pub(super) same_moment: String,
    pub(super) relation: RelationQueries,
}

impl Queries {
    pub(super) fn build(schema: &Schema) -> Self {
        let columns = message::select_list(schema);
        let digest_columns = row_digest::digest_list(schema);
        let from = "from message m left join handle h on h.ROWID = m.handle_id";
        let other = match schema.column("message", "m", "other_handle").as_str() {
            "null" => "null".to_owned(),
            column => format!("(select o.id from handle o where o.ROWID = {column})"),
        };
        let payload = message::payload_column(schema);
        let select = format!(
            "select {columns}, {other} as other_handle, {payload} as payload, {digest_columns} {from}"
        );
        let chat = chat::select_list(schema);
        let groups_first = chat::groups_first(schema);
        let chats = |join: &str| {
            format!(
                "select {chat} from chat c
                 where c.ROWID in (select chat_id from {join} where message_id = ?1)
                 order by {groups_first}, c.ROWID"
            )
        };
        // Votes have the same balloon and can be many, so they are excluded.
        let is_poll = format!(
            "substr({}, -{}) = '{POLLS}' and coalesce({}, 0) <> {VOTE}",
            schema.column("message", "m", "balloon_bundle_id"),
            POLLS.len(),
            schema.column("message", "m", "associated_message_type"),
        );
        let associated = schema.column("message", "m", "associated_message_guid");
        let attachment = attachment::select_list(schema);
        let attachments =
            schema.has_table("attachment") && schema.has_table("message_attachment_join");
        Self {
            rows_after: format!("{select} where m.ROWID > ?1 order by m.ROWID limit ?2"),
            row_at: format!("{select} where m.ROWID = ?1"),
            row_by_guid: format!("{select} where m.guid = ?1"),
            sent_row: sent::query(schema),
            own_rowids_since: sent::own_rowids_since(schema),
            own_rows_after: sent::own_rows_after(schema),
            is_poll: format!("select 1 from message m where m.guid = ?1 and {is_poll}"),
            poll: format!("{select} where m.guid = ?1 and {is_poll}"),
            poll_updates: format!(
                "{select} where {associated} in (?1, 'p:0/' || ?1, 'bp:' || ?1) and {is_poll}
                 order by m.ROWID desc limit 40"
            ),
            row_digest: format!("select m.ROWID as ROWID, m.guid as guid, {digest_columns} from message m where m.ROWID = ?1"),
            // The caller sorts the result: with `order by` SQLite would read the whole table.
            rowids_since: "select ROWID from message where date >= ?1
                 union all
                 select ROWID from message where date >= ?2 and date < ?3",
            chats: chats("chat_message_join"),
            // A separate query, which runs only if `chats` finds none, since this table has no index on message_id.
            chats_of_deleted: schema
                .has_table("chat_recoverable_message_join")
                .then(|| chats("chat_recoverable_message_join")),
            chat_by_guid: format!("select {chat} from chat c where c.guid = ?1"),
            filters: FilterQueries::build(schema),
            participants: if schema.has_table("chat_handle_join") {
                "select h.id from chat_handle_join j join handle h on h.ROWID = j.handle_id
                 where j.chat_id = ?1 order by h.ROWID"
            } else {
                "select null where ?1 is null"
            },
            attachments: attachments.then(|| {
                format!(
                    "select {attachment} from message_attachment_join j
                     join attachment a on a.ROWID = j.attachment_id where j.message_id = ?1 order by a.ROWID"
                )
            }),
            attachment_by_guid: attachments
                .then(|| format!("select {attachment} from attachment a where a.guid = ?1")),
            has_chat_lookup: has_chat_lookup(schema),
            first_in_chat: format!(
                "select m.guid, {date} from chat_message_join j join message m on m.ROWID = j.message_id
                 where j.chat_id = (select ROWID from chat where guid = ?1) and {date} >= ?2
                 order by {date} limit 1",
                date = schema.column("chat_message_join", "j", "message_date")
            ),
            addresses: format!(
                "select {}, h.id as handle {from} where m.ROWID > ?1 order by m.ROWID desc",
                schema.list("message", "m", "ROWID, is_from_me, destination_caller_id, account")
            ),
            // This query reads all handles, of which there are far fewer than messages.
            handles: "select ROWID from handle where id = ?1 collate nocase",
            written_by: "select m.ROWID from message m where m.handle_id = ?1 order by m.date desc limit ?2",
            same_moment: same_moment(schema),
            relation: RelationQueries::build(schema),
        }
    }
}

/// Whether the database lists all identifiers of each chat in `chat_lookup`, as since macOS 26.
fn has_chat_lookup(schema: &Schema) -> bool {
    [
        ("chat_lookup", "identifier"),
        ("chat_lookup", "chat"),
        ("chat", "chat_identifier"),
        ("chat", "style"),
    ]
    .iter()
    .all(|(table, column)| schema.column(table, "t", column) != "null")
}

/// The query for the ROWIDs of the sent rows, or of the received rows, in a range of dates. The plus sign before
/// `is_from_me` keeps SQLite from using an index over that column instead of the index over dates, which makes the
/// query fast. The limit bounds the work if many rows have the same date.
fn same_moment(schema: &Schema) -> String {
    let is_from_me = schema.column("message", "m", "is_from_me");
    format!(
        "select m.ROWID from message m where m.date between ?1 and ?2 and +{is_from_me} = ?5
         union all
         select m.ROWID from message m where m.date between ?3 and ?4 and +{is_from_me} = ?5
         limit 64"
    )
}

#[cfg(test)]
mod tests {
    use messages_stand_in::{ChatDb, Style};

    use super::*;
    use crate::read::filters::ROWIDS_BETWEEN;
    use crate::read::relation::queries::{
        HAS_ROWS_AFTER, LIES_IN_ANY_CHAT, LIES_IN_CHAT, ROWID_OF_CHAT,
    };

    #[test]
    fn no_query_scans_the_whole_history() {
        for style in Style::ALL {
            let folder = tempfile::tempdir().unwrap();
            let db = ChatDb::create(folder.path().join("chat.db"), style).unwrap();
            let schema = Schema::probe(db.raw()).unwrap();
            let queries = Queries::build(&schema);
            let mut all = vec![
                &*queries.rows_after,
                &queries.row_at,
                &queries.row_by_guid,
                &queries.sent_row,
                &queries.own_rowids_since,
                &queries.own_rows_after,
                &queries.row_digest,
                queries.rowids_since,
                &queries.is_poll,
                &queries.poll,
                &queries.poll_updates,
                &queries.chats,
                &queries.chat_by_guid,
                &queries.filters.marks_by_rowid,
                &queries.filters.marks_by_guid,
                &queries.filters.chat_marks_by_guid,
                &queries.filters.chat_marks_by_rowid,
                ROWIDS_BETWEEN,
                queries.participants,
                &queries.first_in_chat,
                &queries.addresses,
                queries.written_by,
                &queries.same_moment,
            ];
            all.extend(queries.attachments.as_deref());
            all.extend(queries.attachment_by_guid.as_deref());
            let relation = &queries.relation;
            all.extend([
                HAS_ROWS_AFTER,
                LIES_IN_CHAT,
                LIES_IN_ANY_CHAT,
                ROWID_OF_CHAT,
            ]);
            all.extend([
                &*relation.neighbour,
                &relation.neighbours_between,
                &relation.neighbours_before,
                &relation.texts_before,
            ]);
            all.extend(relation.edits_before.as_deref());
            all.extend(relation.edits_between.as_deref());
            all.extend(relation.was_deleted_from_chat);
            all.extend(relation.other_chats_of_conversation.as_deref());
            for query in all {
                let plan = plan_of(db.raw(), query);
                let scans = plan.iter().any(|step| step.starts_with("SCAN"));
                assert!(!scans, "{style}: {query}\n{plan:#?}");
            }
            // A query for the last rows of a chat must not sort all rows of the chat first.
            let limited = [&relation.neighbours_before, &relation.texts_before];
            for query in limited.into_iter().chain(&relation.edits_before) {
                let plan = plan_of(db.raw(), query);
                let sorts = plan.iter().any(|step| step.contains("TEMP B-TREE"));
                assert!(!sorts, "{style}: {query}\n{plan:#?}");
            }
            for query in [queries.rowids_since, &queries.own_rowids_since] {
                let recent = plan_of(db.raw(), query);
                let by_date = recent.iter().filter(|s| s.contains("message_idx_date"));
                assert_eq!(by_date.count(), 2, "{style}: {recent:#?}");
            }
        }
    }

    fn plan_of(connection: &rusqlite::Connection, query: &str) -> Vec<String> {
        let mut statement = connection
            .prepare(&format!("explain query plan {query}"))
            .unwrap();
        let mut steps = Vec::new();
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next().unwrap() {
            steps.push(row.get("detail").unwrap());
        }
        steps
    }
}
