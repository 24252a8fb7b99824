//! The triggers, which change other rows when a row is written or deleted.
//!
//! Two of them change a message row after its insertion, which a reader of chat.db may have read before: a join to
//! a chat sets `cache_roomnames`, and a join to an attachment sets `cache_has_attachments`.

use crate::Style;

/// Deletes a message that is in no chat any more, not even in "Recently Deleted".
fn delete_message_if_unjoined(style: Style) -> String {
    let mut joins = vec!["chat_message_join"];
    if style >= Style::Ventura {
        joins.push("chat_recoverable_message_join");
    }
    let unjoined = joins.iter().map(|join| {
        format!("and not exists (select 1 from {join} where message_id = OLD.message_id)")
    });
    format!(
        "delete from message where message.ROWID = OLD.message_id {};",
        unjoined.collect::<Vec<_>>().join(" ")
    )
}

/// Sets the room names of a message to those of its chats; `row` is OLD or NEW.
fn update_roomnames(row: &str) -> String {
    format!(
        "update message set cache_roomnames = (
           select group_concat(c.room_name) from chat c
           inner join chat_message_join j on c.ROWID = j.chat_id
           where j.message_id = {row}.message_id)
         where message.ROWID = {row}.message_id;"
    )
}

/// Deletes a handle to which no row refers any more.
const DELETE_UNUSED_HANDLE: &str = "delete from handle where handle.ROWID = OLD.handle_id
    and not exists (select 1 from chat_handle_join where handle_id = OLD.handle_id)
    and not exists (select 1 from message where handle_id = OLD.handle_id)
    and not exists (select 1 from message where other_handle = OLD.handle_id);";

const ON_ATTACHMENT_JOINS: [&str; 2] = [
    "create trigger after_insert_on_message_attachment_join \
     after insert on message_attachment_join begin \
     update message set cache_has_attachments = 1 where ROWID = NEW.message_id; end",
    "create trigger after_delete_on_message_attachment_join \
     after delete on message_attachment_join begin \
     delete from attachment where attachment.ROWID = OLD.attachment_id and not exists (
               select 1 from message_attachment_join where attachment_id = OLD.attachment_id); end",
];

const OTHER_TRIGGERS: [&str; 7] = [
    "create trigger after_delete_on_chat after delete on chat begin \
     delete from chat_message_join where chat_id = OLD.ROWID; end",
    "create trigger update_message_date_after_update_on_message \
     after update of date on message begin \
     update chat_message_join set message_date = NEW.date
             where message_id = NEW.ROWID and message_date != NEW.date; end",
    "create trigger add_to_deleted_messages after delete on message begin \
     insert into deleted_messages (guid) values (OLD.guid); end",
    "create trigger add_to_sync_deleted_messages after delete on message begin \
     insert into sync_deleted_messages (guid, recordID) values (OLD.guid, OLD.ck_record_id); end",
    "create trigger add_to_sync_deleted_attachments after delete on attachment begin \
     insert into sync_deleted_attachments (guid, recordID)
             values (OLD.guid, OLD.ck_record_id); end",
    // This trigger of real databases never deletes anything, because its condition compares with NULL.
    "create trigger delete_associated_messages_after_delete_on_message \
     after delete on message begin \
     delete from message where OLD.associated_message_guid is null
             and associated_message_guid is not null and guid = OLD.associated_message_guid; end",
    "create trigger update_last_failed_message_date \
     after update of error on message when NEW.error != 0 and NEW.date > coalesce(
               (select value from kvtable where key = 'lastFailedMessageDate'), 0) begin \
     insert or replace into kvtable (key, value) values ('lastFailedMessageDate', NEW.date);
             insert or replace into kvtable (key, value) values ('lastFailedMessageRowID', NEW.ROWID); end",
];

/// The statements that create the triggers.
pub(super) fn statements(style: Style) -> Vec<String> {
    let after_insert = update_roomnames("NEW");
    let after_delete = format!(
        "{}{}",
        update_roomnames("OLD"),
        delete_message_if_unjoined(style)
    );
    let trigger = |event: &str, table: &str, body: &str| {
        format!("create trigger after_{event}_on_{table} after {event} on {table} begin {body} end")
    };
    let mut triggers = vec![
        trigger("insert", "chat_message_join", &after_insert),
        trigger("delete", "chat_message_join", &after_delete),
    ];
    triggers.extend(ON_ATTACHMENT_JOINS.map(str::to_owned));
    for table in ["message", "chat_handle_join"] {
        triggers.push(trigger("delete", table, DELETE_UNUSED_HANDLE));
    }
    triggers.extend(OTHER_TRIGGERS.map(str::to_owned));
    if style >= Style::Ventura {
        triggers.push(trigger(
            "delete",
            "chat_recoverable_message_join",
            &after_delete,
        ));
    }
    triggers
}
