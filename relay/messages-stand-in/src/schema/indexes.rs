//! The indexes. As in real databases, none is on `date_edited`, `date_read` or `date_retracted`, so a query by
//! these columns reads the whole table.

use crate::Style;

/// One index per line: the table, the part of the name after `<table>_idx_`, the columns.
const INDEXES: &str = "\
message date date
message handle handle_id, date
message handle_id handle_id
message failed is_finished, is_from_me, error
message is_read is_read, is_from_me, is_finished
message isRead_isFromMe_itemType is_read, is_from_me, item_type
message is_sent_is_from_me_error is_sent, is_from_me, error
message associated_message associated_message_guid
message thread_originator_guid thread_originator_guid
message cache_has_attachments cache_has_attachments
message other_handle other_handle
message was_downgraded was_downgraded
message expire_state expire_state
message undelivered_one_to_one_imessage cache_roomnames, service, is_sent, is_delivered, was_downgraded, item_type
chat chat_identifier chat_identifier
chat chat_identifier_service_name chat_identifier, service_name
chat chat_room_name_service_name room_name, service_name
chat is_archived is_archived
chat group_id group_id
chat_message_join message_id_only message_id
chat_message_join chat_id chat_id
chat_message_join message_date_id_chat_id chat_id, message_date, message_id
chat_handle_join handle_id handle_id
message_attachment_join message_id message_id
message_attachment_join attachment_id attachment_id
attachment purged_attachments_v2 hide_attachment, ck_sync_state, transfer_state
message_processing_task guid_task_flags guid, task_flags";

/// The `where` clause of a partial index; empty for the other indexes.
fn condition(name: &str) -> &'static str {
    match name {
        "undelivered_one_to_one_imessage" => {
            " where cache_roomnames is null and service = 'iMessage' and is_sent = 1
              and is_delivered = 0 and was_downgraded = 0 and item_type == 0"
        }
        "purged_attachments_v2" => {
            " where hide_attachment = 0 and (ck_sync_state = 1 or ck_sync_state = 4)
              and transfer_state = 0"
        }
        _ => "",
    }
}

/// The statements that create the indexes.
pub(super) fn statements(style: Style) -> Vec<String> {
    let indexes = INDEXES.lines().map(|line| {
        let (table, rest) = line.split_once(' ').expect("a table as the first word");
        let (name, columns) = rest.split_once(' ').expect("a name as the second word");
        // Since macOS 26 there is at most one task for a message.
        let unique = if style >= Style::Tahoe && table == "message_processing_task" {
            "unique "
        } else {
            ""
        };
        let condition = condition(name);
        format!("create {unique}index {table}_idx_{name} on {table} ({columns}){condition}")
    });
    indexes.collect()
}
