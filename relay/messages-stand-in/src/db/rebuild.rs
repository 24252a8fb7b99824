//! Rebuilds the database at the same path: the same messages under other ROWIDs.

use rusqlite::params;

use super::ChatDb;
use super::file::{Durability, close};
use crate::{Error, Guids, MessageGuids, schema};

impl ChatDb {
    /// Replaces the file by a new one with the newest `keep` messages. ROWIDs count from 1 in the order of
    /// the dates.
    pub fn rebuild(&mut self, keep: u32, guids: MessageGuids) -> Result<(), Error> {
        let path = self.sidecar("-rebuild");
        let seed = self.next_guid();
        let mut rebuilt = Self::create(&path, self.style())?;
        rebuilt.guids = Guids::from_text(&seed);
        rebuilt.set_durability(Durability::None)?;
        rebuilt.copy_from(self, keep, guids)?;
        close(rebuilt.connection)?;
        self.replace_with(&path)
    }

    /// Copies the newest `keep` messages of `old` with their joins, and all its chats, handles and attachments.
    fn copy_from(&mut self, old: &Self, keep: u32, guids: MessageGuids) -> Result<(), Error> {
        let path = old.path().to_string_lossy();
        self.connection
            .execute("attach database ?1 as old", [path.as_ref()])?;
        let transaction = self.connection.transaction()?;
        for table in [
            "handle",
            "chat",
            "chat_handle_join",
            "chat_lookup",
            "chat_service",
            "attachment",
        ] {
            if !schema::columns(self.style, table).is_empty() {
                let sql = format!("insert into main.{table} select * from old.{table}");
                transaction.execute(&sql, [])?;
            }
        }
        let mut query = transaction.prepare(
            "select ROWID from (select ROWID, date from old.message order by date desc limit ?1)
             order by date, ROWID",
        )?;
        let kept_rowids = query.query_map([keep], |row| row.get::<_, i64>(0))?;
        let columns = schema::columns(self.style, "message");
        // All columns but the first two, which are ROWID and guid.
        let columns = columns[2..].join(", ");
        let insert = format!(
            "insert into message (guid, {columns})
             select coalesce(?2, guid), {columns} from old.message where ROWID = ?1"
        );
        let mut insert = transaction.prepare(&insert)?;
        for old_rowid in kept_rowids {
            let old_rowid = old_rowid?;
            let guid = match guids {
                MessageGuids::Kept => None,
                MessageGuids::Renewed => Some(self.guids.next_guid()),
            };
            insert.execute(params![old_rowid, guid])?;
            let new_rowid = transaction.last_insert_rowid();
            for join in [
                "chat_message_join",
                "chat_recoverable_message_join",
                "message_attachment_join",
            ] {
                let mut columns = schema::columns(self.style, join);
                columns.retain(|column| *column != "message_id");
                if !columns.is_empty() {
                    let columns = columns.join(", ");
                    let sql = format!(
                        "insert into {join} (message_id, {columns})
                         select ?2, {columns} from old.{join} where message_id = ?1"
                    );
                    transaction
                        .prepare_cached(&sql)?
                        .execute([old_rowid, new_rowid])?;
                }
            }
        }
        drop(insert);
        drop(query);
        transaction.commit()?;
        self.connection.execute_batch("detach database old")?;
        Ok(())
    }
}
