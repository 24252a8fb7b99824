//! The tables of chat.db and their columns, in the order in which the real databases list them.
//!
//! A column is written as `name` or `name:kind`. The stand-in's schema has the SQL declaration of each
//! kind. A column without a kind is an integer with the default 0, as most columns are.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::Style;

/// A table with the columns that each version of macOS added.
#[derive(Debug)]
pub struct Table {
    /// The name of the table.
    pub name: &'static str,
    /// The columns that each style added. The first entry has the first style with this table.
    columns: &'static [(Style, &'static str)],
    /// Constraints of the table, such as a key of two columns.
    pub constraints: &'static [&'static str],
}

const fn table(
    name: &'static str,
    columns: &'static [(Style, &'static str)],
    constraints: &'static [&'static str],
) -> Table {
    Table {
        name,
        columns,
        constraints,
    }
}

impl Table {
    /// Whether databases of `style` have the table.
    pub fn is_in(&self, style: Style) -> bool {
        self.columns[0].0 <= style
    }

    /// The columns of the table in `style`: name and kind.
    pub fn columns(&self, style: Style) -> impl Iterator<Item = (&'static str, &'static str)> {
        let added = self.columns.iter();
        let added = added.filter(move |(since, _)| *since <= style);
        added.flat_map(|(_, columns)| {
            let columns = columns.split_whitespace();
            columns.map(|column| column.split_once(':').unwrap_or((column, "")))
        })
    }
}

/// The names of the columns that `table` has in `style`, in order.
pub fn columns(style: Style, table: &str) -> Vec<&'static str> {
    let table = TABLES.iter().find(|t| t.name == table);
    table.map_or_else(Vec::new, |table| {
        table.columns(style).map(|(name, _)| name).collect()
    })
}

/// Whether any version of macOS has this column.
pub fn is_known(table: &str, column: &str) -> bool {
    // No version removes a column, so the newest has them all.
    static NEWEST: LazyLock<HashSet<(&str, &str)>> = LazyLock::new(|| {
        let columns = |table: &'static Table| {
            let columns = table.columns(Style::Macos27);
            columns.map(|(column, _)| (table.name, column))
        };
        TABLES.iter().flat_map(columns).collect()
    });
    NEWEST.contains(&(table, column))
}

use Style::{Macos27, Monterey, Sequoia, Tahoe, Ventura};

/// Every table.
pub const TABLES: &[Table] = &[
    table(
        "_SqliteDatabaseProperties",
        &[(Monterey, "key:text value:text")],
        &["UNIQUE (key)"],
    ),
    table(
        "deleted_messages",
        &[(Monterey, "ROWID:rowid-unique guid:text!")],
        &[],
    ),
    table(
        "handle",
        &[(
            Monterey,
            "ROWID:rowid-unique id:text! country:text service:text! uncanonicalized_id:text
             person_centric_id:text",
        )],
        &["UNIQUE (id, service)"],
    ),
    table(
        "chat",
        &[
            (
                Monterey,
                "ROWID:rowid guid:unique style:int state:int account_id:text properties:blob
                 chat_identifier:text service_name:text room_name:text account_login:text
                 is_archived last_addressed_handle:text display_name:text group_id:text is_filtered
                 successful_query:int engram_id:text server_change_token:text ck_sync_state
                 original_group_id:text last_read_message_timestamp cloudkit_record_id:text
                 last_addressed_sim_id:text is_blackholed syndication_date syndication_type",
            ),
            (Sequoia, "is_recovered is_deleting_incoming_messages"),
            (Tahoe, "is_pending_review"),
        ],
        &[],
    ),
    table(
        "message",
        &[
            (
                Monterey,
                "ROWID:rowid guid:unique text:text replace service_center:text handle_id
                 subject:text country:text attributedBody:blob version type service:text
                 account:text account_guid:text error date:int date_read:int date_delivered:int
                 is_delivered is_finished is_emote is_from_me is_empty is_delayed is_auto_reply
                 is_prepared is_read is_system_message is_sent has_dd_results is_service_message
                 is_forward was_downgraded is_archive cache_has_attachments cache_roomnames:text
                 was_data_detected was_deduplicated is_audio_message is_played date_played:int
                 item_type other_handle group_title:text group_action_type share_status
                 share_direction is_expirable expire_state message_action_type message_source
                 associated_message_guid:text associated_message_type balloon_bundle_id:text
                 payload_data:blob expressive_send_style_id:text associated_message_range_location
                 associated_message_range_length time_expressive_send_played:int
                 message_summary_info:blob ck_sync_state ck_record_id:text
                 ck_record_change_tag:text destination_caller_id:text is_corrupt
                 reply_to_guid:text sort_id:int is_spam has_unseen_mention
                 thread_originator_guid:text thread_originator_part:text syndication_ranges:text
                 synced_syndication_ranges:text was_delivered_quietly did_notify_recipient",
            ),
            (
                Ventura,
                "date_retracted:int date_edited:int was_detonated part_count:int",
            ),
            (
                Sequoia,
                "is_stewie is_sos is_critical bia_reference_id:text is_kt_verified
                 fallback_hash:text associated_message_emoji:text is_pending_satellite_send
                 needs_relay schedule_type schedule_state sent_or_received_off_grid
                 date_recovered",
            ),
            (Tahoe, "is_time_sensitive ck_chat_id:text index_state"),
            (
                Macos27,
                "filter_action filter_sub_action is_preview_sent is_preview_delivered
                 date_preview_sent:int date_preview_delivered:int date_updated:int
                 retry_count:int",
            ),
        ],
        &[],
    ),
    table(
        "attachment",
        &[
            (
                Monterey,
                "ROWID:rowid guid:unique created_date start_date filename:text uti:text
                 mime_type:text transfer_state is_outgoing user_info:blob transfer_name:text
                 total_bytes is_sticker sticker_user_info:blob attribution_info:blob
                 hide_attachment ck_sync_state ck_server_change_token_blob:blob
                 ck_record_id:text original_guid:unique is_commsafety_sensitive",
            ),
            (
                Sequoia,
                "emoji_image_content_identifier:text emoji_image_short_description:text
                 preview_generation_state",
            ),
            (Macos27, "preflight_info:blob sensitivity_analysis"),
        ],
        &[],
    ),
    table(
        "chat_message_join",
        &[
            (Monterey, "chat_id:chat message_id:message message_date"),
            (Tahoe, "index_state:0!"),
            (Macos27, "filter_action:0! filter_sub_action:0!"),
        ],
        &["PRIMARY KEY (chat_id, message_id)"],
    ),
    table(
        "chat_handle_join",
        &[(Monterey, "chat_id:chat handle_id:handle")],
        &["UNIQUE (chat_id, handle_id)"],
    ),
    table(
        "message_attachment_join",
        &[(Monterey, "message_id:message attachment_id:attachment")],
        &["UNIQUE (message_id, attachment_id)"],
    ),
    table(
        "chat_recoverable_message_join",
        &[(
            Ventura,
            "chat_id:chat message_id:message delete_date:int ck_sync_state",
        )],
        &[
            "PRIMARY KEY (chat_id, message_id)",
            "CHECK (delete_date != 0)",
        ],
    ),
    table(
        "recoverable_message_part",
        &[(
            Ventura,
            "chat_id:chat message_id:message part_index:int delete_date:int part_text:blob!
             ck_sync_state",
        )],
        &[
            "PRIMARY KEY (chat_id, message_id, part_index)",
            "CHECK (delete_date != 0)",
        ],
    ),
    table(
        "unsynced_removed_recoverable_messages",
        &[(
            Ventura,
            "ROWID:rowid-unique chat_guid:text! message_guid:text! part_index:int",
        )],
        &[],
    ),
    table(
        "sync_deleted_messages",
        &[(Monterey, "ROWID:rowid-unique guid:text! recordID:text")],
        &[],
    ),
    table(
        "sync_deleted_attachments",
        &[(Monterey, "ROWID:rowid-unique guid:text! recordID:text")],
        &[],
    ),
    table(
        "sync_deleted_chats",
        &[(
            Monterey,
            "ROWID:rowid-unique guid:text! recordID:text timestamp:int",
        )],
        &[],
    ),
    table(
        "kvtable",
        &[(Monterey, "ROWID:rowid-unique key:unique value:blob!")],
        &[],
    ),
    table(
        "message_processing_task",
        &[
            (Monterey, "ROWID:rowid-unique guid:text! task_flags:int!"),
            (Tahoe, "reasons:int"),
        ],
        &[],
    ),
    table(
        "chat_lookup",
        &[(Tahoe, "identifier:text domain:text chat:chat priority")],
        &["UNIQUE (identifier, domain)"],
    ),
    table(
        "chat_service",
        &[(Macos27, "service:text chat:chat")],
        &["UNIQUE (service, chat)"],
    ),
];
