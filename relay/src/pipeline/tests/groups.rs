//! A group that moves between services stays one conversation, under the chat guid of its first post, its name.

use messages_stand_in::MessageGuids;

use super::*;

/// A Mac with a group that has moved from SMS to RCS: two chats under two identifiers.
struct MovedGroup {
    mac: Mac,
    old: i64,
    new: i64,
}

const OLD: &str = "SMS;+;chat111";
const NEW: &str = "RCS;+;chat222";

impl MovedGroup {
    fn on(style: Style) -> Self {
        let mut mac = Mac::before_first_run(style);
        mac.run_relay();
        let mut group = |service: &str, guid: &str| {
            let chat = Chat::group([ADA, BOB]).on(service).with_guid(guid);
            mac.messages.insert_chat(&chat).unwrap()
        };
        let (old, new) = (group("SMS", OLD), group("RCS", NEW));
        Self { mac, old, new }
    }

    fn new() -> Self {
        Self::on(Style::Tahoe)
    }

    /// Joins both chats to one group: the lookup gets both identifiers with `chat`, one of the two.
    fn join_chats(&self, chat: i64) {
        for identifier in ["chat111", "chat222"] {
            self.lookup(identifier, "joined", chat);
        }
    }

    fn lookup(&self, identifier: &str, domain: &str, chat: i64) {
        self.mac
            .messages
            .raw()
            .execute(
                "insert into chat_lookup (identifier, domain, chat) values (?1, ?2, ?3)",
                rusqlite::params![identifier, domain, chat],
            )
            .unwrap();
    }

    fn receive(&mut self, chat: i64, text: &str) -> i64 {
        self.mac.advance(secs(70));
        let ada = self.mac.messages.ensure_handle(ADA, "SMS").unwrap();
        let message = NewMessage::incoming(ada, self.mac.now())
            .text(text)
            .on("RCS");
        self.mac.messages.deliver(chat, &message).unwrap()
    }

    fn receive_and_read(&mut self, chat: i64, text: &str) -> i64 {
        let row = self.receive(chat, text);
        self.mac.run_relay();
        row
    }

    fn guids(&self) -> Vec<String> {
        self.mac
            .posted()
            .into_iter()
            .map(|message| message.chat_guid)
            .collect()
    }

    fn lanes(&self) -> Vec<String> {
        let lanes = |state: &rusqlite::Connection| {
            let mut statement = state.prepare("select lane from outbox order by seq")?;
            let lanes = statement.query_map([], |row| row.get(0))?;
            lanes.collect::<rusqlite::Result<Vec<String>>>()
        };
        self.mac.state().read(lanes).unwrap()
    }
}

#[test]
fn a_group_with_several_chats_is_posted_under_its_first_chat_guid() {
    for lookup_names_old in [true, false] {
        let mut group = MovedGroup::new();
        group.receive_and_read(group.old, "by SMS");
        group.join_chats(if lookup_names_old {
            group.old
        } else {
            group.new
        });
        group.receive_and_read(group.new, "by RCS");
        group.receive_and_read(group.old, "by SMS again");
        assert_eq!(group.guids(), [OLD; 3], "{lookup_names_old}");
        assert_eq!(group.lanes(), ["+;chat111"; 3]);
    }
}

#[test]
fn two_chats_with_one_identifier_are_one_group() {
    let mut group = MovedGroup::new();
    group.receive_and_read(group.old, "one");
    group.lookup("chat111", "RCS", group.new);
    group.receive_and_read(group.new, "two");
    assert_eq!(group.guids(), [OLD; 2]);
}

#[test]
fn a_late_lookup_row_applies_to_later_messages() {
    let mut group = MovedGroup::new();
    group.receive_and_read(group.old, "one");
    group.receive_and_read(group.new, "two");
    assert_eq!(
        group.guids(),
        [OLD, NEW],
        "the lookup does not join the chats yet"
    );
    group.join_chats(group.new);
    group.receive_and_read(group.new, "three");
    group.receive_and_read(group.old, "four");
    assert_eq!(group.guids()[2..], [OLD; 2]);

    let mut new_first = MovedGroup::new();
    new_first.receive_and_read(new_first.new, "one");
    new_first.receive_and_read(new_first.old, "two");
    new_first.join_chats(new_first.old);
    new_first.receive_and_read(new_first.old, "three");
    assert_eq!(new_first.guids()[2..], [NEW]);
}

#[test]
fn a_changed_lookup_is_noticed_while_the_database_is_open() {
    let mut group = MovedGroup::new();
    let (old, new) = (group.old, group.new);
    let mut step = 0;
    let ada = group.mac.messages.ensure_handle(ADA, "SMS").unwrap();
    group.mac.run_steps(
        |messages, clock, _| {
            clock.advance(secs(70));
            step += 1;
            if step == 2 {
                let sql = "insert into chat_lookup (identifier, domain, chat) values ('chat333', 'x', ?1)";
                messages.raw().execute(sql, [old]).unwrap();
            }
            if step == 3 {
                // The lookup changes in place: neither the number of rows nor the highest ROWID changes.
                let sql = "update chat_lookup set chat = ?1 where identifier = 'chat222'";
                messages.raw().execute(sql, [old]).unwrap();
            }
            let chat = if step == 1 { old } else { new };
            let now = date(clock.now().as_micros());
            let message = NewMessage::incoming(ada, now).text(format!("{step}"));
            messages.deliver(chat, &message).unwrap();
        },
        3,
    );
    assert_eq!(group.guids(), [OLD, NEW, OLD]);
}

#[test]
fn the_name_stays_when_chat_db_is_rebuilt_and_its_lookup_is_empty() {
    let mut group = MovedGroup::new();
    group.receive_and_read(group.old, "one");
    group.join_chats(group.new);
    group.receive_and_read(group.new, "two");
    group
        .mac
        .messages
        .raw()
        .execute("delete from chat_lookup", [])
        .unwrap();
    let raw = group.mac.messages.raw();
    raw.pragma_update(None, "foreign_keys", false).unwrap();
    let old = group.old;
    // The old chat gets another ROWID, as in a rebuilt file.
    raw.execute_batch(&format!(
        "update chat set ROWID = ROWID + 40 where ROWID = {old};
         update chat_message_join set chat_id = chat_id + 40 where chat_id = {old};
         update chat_handle_join set chat_id = chat_id + 40 where chat_id = {old};"
    ))
    .unwrap();
    group.mac.messages.rebuild(20, MessageGuids::Kept).unwrap();
    group.mac.run_relay();
    group.receive_and_read(group.new, "three");
    group.receive_and_read(group.old + 40, "four");
    assert_eq!(group.guids(), [OLD; 4]);
}

#[test]
fn the_name_stays_when_only_the_new_chat_is_left() {
    let mut group = MovedGroup::new();
    group.receive_and_read(group.old, "one");
    group.join_chats(group.new);
    let raw = group.mac.messages.raw();
    raw.execute(
        "update chat_message_join set chat_id = ?1 where chat_id = ?2",
        [group.new, group.old],
    )
    .unwrap();
    raw.execute("delete from chat where ROWID = ?1", [group.old])
        .unwrap();
    group.receive_and_read(group.new, "two");
    assert_eq!(group.guids(), [OLD; 2]);
    assert_eq!(group.lanes(), ["+;chat111"; 2]);
}

#[test]
fn a_group_without_a_recorded_name_takes_the_chat_guid_of_its_first_post() {
    // Messages of both chats, of the new chat only, or of neither were posted before.
    for (has_old_message, posts, expected) in [
        (false, [true, true], OLD),
        (true, [false, true], NEW),
        (true, [false, false], NEW),
    ] {
        let mut group = MovedGroup::new();
        // A message from before the first run is not posted and gives no name.
        if has_old_message {
            let sent = group.mac.ago(hours(24 * 40));
            let ada = group.mac.messages.ensure_handle(ADA, "SMS").unwrap();
            let message = NewMessage::incoming(ada, sent).text("ancient");
            group.mac.messages.deliver(group.old, &message).unwrap();
            group.mac.run_relay();
        }
        for (chat, _) in [group.old, group.new]
            .into_iter()
            .zip(posts)
            .filter(|(_, posts)| *posts)
        {
            group.receive_and_read(chat, "posted by the release before");
        }
        group
            .mac
            .state()
            .write(|tx| tx.execute("delete from told_group", []))
            .unwrap();
        group.join_chats(group.new);
        let before = group.guids().len();
        group.receive_and_read(group.new, "news");
        assert_eq!(group.guids()[before..], [expected], "{posts:?}");
    }
}

#[test]
fn a_lost_state_finds_the_first_name_again() {
    let mut group = MovedGroup::new();
    group.receive_and_read(group.old, "one");
    group.join_chats(group.new);
    let row = group.receive_and_read(group.new, "two");
    let guid = group.mac.messages.guid_of(row).unwrap();
    let at = group.mac.clock.now().as_micros();
    group.mac.advance(hours(30));
    group.mac.lose_state();
    group.receive(group.new, "three");
    group.mac.newest.send(Some(newest(&guid, at))).unwrap();
    group.mac.run_relay();
    group.mac.run_relay();
    group.receive_and_read(group.new, "four");
    assert_eq!(group.guids(), [OLD; 2]);
}

#[test]
fn a_lookup_row_that_names_a_direct_chat_joins_no_chats() {
    let mut group = MovedGroup::new();
    let direct = |group: &mut MovedGroup, peer: &str, service: &str| {
        let chat = Chat::direct(peer)
            .on(service)
            .with_guid(format!("{service};-;{peer}"));
        group.mac.messages.insert_chat(&chat).unwrap()
    };
    let (ada, bob) = (
        direct(&mut group, ADA, "SMS"),
        direct(&mut group, "bob@example.com", "any"),
    );
    for (identifier, chat) in [
        (ADA, bob),
        ("bob@example.com", ada),
        ("chat111", ada),
        (ADA, group.old),
        (ADA, group.new),
        ("", group.old),
        ("", group.new),
    ] {
        group.lookup(identifier, &format!("{identifier}{chat}"), chat);
    }
    for chat in [group.old, ada, bob, group.new] {
        group.receive_and_read(chat, "hi");
    }
    assert_eq!(
        group.guids(),
        [OLD, &format!("SMS;-;{ADA}"), "any;-;bob@example.com", NEW]
    );
}

#[test]
fn without_a_lookup_table_each_chat_is_a_group_of_its_own() {
    for style in [Style::Monterey, Style::Ventura, Style::Sequoia] {
        let mut group = MovedGroup::on(style);
        group.receive_and_read(group.old, "one");
        group.receive_and_read(group.new, "two");
        assert_eq!(group.guids(), [OLD, NEW]);
    }
}

#[test]
fn a_damaged_lookup_joins_no_groups_and_does_not_stop_other_rows() {
    let mut group = MovedGroup::new();
    let raw = group.mac.messages.raw();
    raw.pragma_update(None, "foreign_keys", false).unwrap();
    raw.execute_batch(
        "insert into chat_lookup values (null, null, null, null), (x'ff', 'a', 'chat', 'x'),
                 (7, 'b', 1.5, 0), ('chat111', 'c', 99999, 0), ('chat222', 'd', -1, 0);",
    )
    .unwrap();
    group.receive_and_read(group.old, "one");
    group.receive_and_read(group.new, "two");
    assert_eq!(group.guids(), [OLD, NEW]);
}

#[test]
fn edits_and_the_order_of_posts_follow_the_group_and_not_its_chats() {
    let mut group = MovedGroup::new();
    group.receive_and_read(group.old, "one");
    group.join_chats(group.new);
    let row = group.receive_and_read(group.new, "two");
    let now = group.mac.now();
    group.mac.messages.edit(row, "two, edited", now).unwrap();
    group.mac.run_relay();
    assert_eq!(group.guids(), [OLD; 3]);

    // An incomplete row of one chat holds back the other chat.
    group.mac.advance(secs(70));
    let ada = group.mac.messages.ensure_handle(ADA, "SMS").unwrap();
    let message = NewMessage::incoming(ada, group.mac.now());
    let unfinished = group.mac.messages.deliver(group.old, &message).unwrap();
    group.receive(group.new, "after it");
    group.mac.run_relay();
    assert_eq!(group.mac.posted().len(), 3);
    group
        .mac
        .messages
        .set_text(unfinished, "before it")
        .unwrap();
    group.mac.run_relay();
    assert_eq!(group.mac.texts()[3..], ["before it", "after it"]);
}

#[test]
fn chats_of_every_service_with_one_identifier_are_one_conversation() {
    let mut mac = Mac::before_first_run(Style::Tahoe);
    mac.run_relay();
    let services = [
        "iMessage",
        "SMS",
        "RCS",
        "any",
        "iMessageLite",
        "SatelliteSMS",
        "New Service",
    ];
    for service in services {
        mac.advance(secs(70));
        let chat = Chat::group([ADA, BOB])
            .on(service)
            .with_guid(format!("{service};+;chat77"));
        let chat = mac.messages.insert_chat(&chat).unwrap();
        let ada = mac.messages.ensure_handle(ADA, service).unwrap();
        let message = NewMessage::incoming(ada, mac.now()).text("hi").on(service);
        mac.messages.deliver(chat, &message).unwrap();
        mac.run_relay();
    }
    let posted = mac.posted();
    assert_eq!(posted.len(), services.len());
    assert!(
        posted
            .iter()
            .all(|message| chatdb::lane(&message.chat_guid) == "+;chat77")
    );
}
