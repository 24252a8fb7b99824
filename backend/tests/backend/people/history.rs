//! Retention of messages, conversations and participants. Rows are kept unless a setting limits them. A deleted
//! message is not stored again, and rows in use stay.

use std::time::Duration;

use archety_backend::clock::Timestamp;
use archety_backend::config::Retention;
use archety_backend::otp::Device;
use archety_backend::people::resolve_for_sign_in;
use archety_backend::store::{NewMessage, Stored};
use rstest::rstest;
use shared_protocol::{Event, RelayName};

use super::everything::{at, pepper};
use super::rows::{
    ADA, BEN, execute, from_person, in_group, phone, reply, select, signed_in, store, typed,
    with_tombstone,
};
use crate::store::message_builder::received;
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

const DAY: Duration = Duration::from_hours(24);

pub(super) fn day(days: u32) -> Timestamp {
    NOW.plus(DAY * days)
}

pub(super) fn keep_all(days: u32) -> Retention {
    Retention {
        messages: Some(DAY * days),
        conversations: Some(DAY * days),
        participants: Some(DAY * days),
        ..Retention::default()
    }
}

pub(super) fn keep_messages(days: u32) -> Retention {
    Retention {
        messages: Some(DAY * days),
        ..Retention::default()
    }
}

pub(super) async fn clean(s: &TestStore, keep: &Retention, now: Timestamp) -> u64 {
    let removed = s.store.clean_history(keep, &pepper(), now).await;
    removed.expect("cleaned")
}

pub(super) fn with_its_tombstone(message: NewMessage) -> NewMessage {
    with_tombstone(message, &pepper())
}

async fn identities(s: &TestStore) -> Vec<String> {
    let rows: Vec<(String,)> = select!(s, "select identity from messages order by identity");
    rows.into_iter().map(|row| row.0).collect()
}

/// The numbers of conversations, participants and aliases.
async fn counts(s: &TestStore) -> (i64, i64, i64) {
    let rows: Vec<(i64, i64, i64)> = select!(
        s,
        "select (select count(*) from conversations), (select count(*) from participants), \
           (select count(*) from conversation_aliases)"
    );
    rows[0]
}

async fn store_sample_history(s: &TestStore) {
    store(s, with_its_tombstone(from_person("ada old", ADA, day(0)))).await;
    reply(s, "reply old", "ada old", day(0)).await;
    store(s, with_its_tombstone(typed("typed old", ADA, day(0)))).await;
    store(
        s,
        with_its_tombstone(from_person("mail old", "ann@example.com", day(0))),
    )
    .await;
    store(
        s,
        with_its_tombstone(in_group("group old", "g", ADA, day(0))),
    )
    .await;
    store(s, with_its_tombstone(from_person("ben new", BEN, day(40)))).await;
    store(
        s,
        with_its_tombstone(in_group("group new", "g", BEN, day(40))),
    )
    .await;
}

#[rstest]
#[tokio::test]
async fn history_is_kept_without_a_setting_or_before_it_is_due(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    store_sample_history(s).await;
    let before = (identities(s).await, counts(s).await);
    assert_eq!(clean(s, &Retention::default(), day(9_000)).await, 0);
    assert_eq!(
        clean(s, &keep_all(60), day(40)).await,
        0,
        "nothing is older than 60 days"
    );
    assert_eq!((identities(s).await, counts(s).await), before, "{}", s.kind);
}

#[rstest]
#[tokio::test]
async fn old_messages_and_then_empty_conversations_are_deleted_and_people_kept(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    store_sample_history(s).await;
    assert_eq!(clean(s, &keep_messages(30), day(40)).await, 5, "{}", s.kind);
    assert_eq!(identities(s).await, ["ben new", "group new"]);
    assert_eq!(
        counts(s).await,
        (4, 5, 4),
        "only messages have a setting, {}",
        s.kind
    );
    let tombstones: Vec<(i64,)> = select!(s, "select count(*) from tombstones");
    assert_eq!(tombstones, [(5,)], "{}", s.kind);
    // Ada's and Ann's empty chats go with their participants. The group and Ben's chat have messages and stay.
    assert_eq!(clean(s, &keep_all(30), day(45)).await, 4, "{}", s.kind);
    assert_eq!(counts(s).await, (2, 3, 2), "{}", s.kind);
    assert_eq!(
        clean(s, &keep_all(30), day(45)).await,
        0,
        "a second run deletes nothing"
    );
    // The people of deleted conversations are kept.
    let people: Vec<(i64,)> = select!(s, "select count(*) from users");
    assert_eq!(people, [(2,)], "{}", s.kind);
}

#[rstest]
#[tokio::test]
async fn an_empty_conversation_stays_as_long_as_its_participants_do(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    store_sample_history(s).await;
    let longer = Retention {
        participants: Some(DAY * 50),
        ..keep_all(30)
    };
    assert_eq!(clean(s, &longer, day(40)).await, 5, "only messages");
    assert_eq!(counts(s).await, (4, 5, 4), "{}", s.kind);
    assert_eq!(clean(s, &longer, day(51)).await, 4, "{}", s.kind);
    assert_eq!(counts(s).await, (2, 3, 2), "{}", s.kind);
}

#[rstest]
#[tokio::test]
async fn participants_are_stored_again_with_the_next_message_of_the_chat(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    store(s, with_its_tombstone(in_group("one", "g", ADA, day(0)))).await;
    store(s, with_its_tombstone(from_person("newest", BEN, day(1)))).await;
    let keep = Retention {
        participants: Some(DAY * 10),
        ..keep_messages(10)
    };
    clean(s, &keep, day(20)).await;
    let named = "select p.handle from participants p join conversations c on c.id = p.conversation_id \
                 where c.mode = 'group' order by p.handle";
    let none: Vec<(String,)> = select!(s, named);
    assert!(none.is_empty(), "{none:?} on {}", s.kind);
    let again = store(s, with_its_tombstone(in_group("two", "g", ADA, day(21)))).await;
    assert!(matches!(again, Stored::Accepted(_)), "{again:?}");
    let back: Vec<(String,)> = select!(s, named);
    assert_eq!(back, [(ADA.to_owned(),), (BEN.to_owned(),)], "{}", s.kind);
    let chats: Vec<(i64,)> = select!(s, "select count(*) from conversations where mode = 'group'");
    assert_eq!(chats, [(1,)], "the same conversation, {}", s.kind);
}

fn edit(of: &str, at: Timestamp) -> NewMessage {
    let mut edit = from_person(&format!("edit of {of}"), ADA, at);
    (edit.event, edit.revision) = (Event::Edit, 1);
    edit.changes = vec![of.to_owned(), format!("{of} as other")];
    edit.changed_tombstones = (edit.changes.iter())
        .map(|changed| pepper().message_tombstone(edit.relay.as_str(), changed))
        .collect();
    with_its_tombstone(edit)
}

#[rstest]
#[tokio::test]
async fn a_retry_and_an_edit_do_not_restore_a_deleted_message(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    store_sample_history(s).await;
    clean(s, &keep_all(30), day(45)).await;
    let before = (identities(s).await, counts(s).await);
    for late in [
        from_person("ada old", ADA, day(46)),
        typed("typed old", ADA, day(46)),
        from_person("mail old", "ann@example.com", day(46)),
        in_group("group old", "g", ADA, day(46)),
        edit("ada old", day(46)),
    ] {
        let stored = store(s, with_its_tombstone(late)).await;
        assert!(
            matches!(stored, Stored::Duplicate(_)),
            "{stored:?} on {}",
            s.kind
        );
    }
    assert_eq!((identities(s).await, counts(s).await), before, "{}", s.kind);
    // New messages start a new history, and so does an edit of a message that was never stored.
    for new in [
        from_person("ada new", ADA, day(46)),
        edit("unknown", day(46)),
    ] {
        let stored = store(s, with_its_tombstone(new)).await;
        assert!(
            matches!(stored, Stored::Accepted(_)),
            "{stored:?} on {}",
            s.kind
        );
    }
    assert_eq!(counts(s).await.0, before.1.0 + 1, "{}", s.kind);
    let edited = store(s, edit("ada new", day(47))).await;
    assert!(matches!(edited, Stored::Accepted(_)), "{edited:?}");
}

#[rstest]
#[tokio::test]
async fn an_edit_of_a_deleted_persons_message_creates_no_person(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    store(s, with_its_tombstone(from_person("said", ADA, at(1)))).await;
    let ada = signed_in(s, ADA, at(2)).await.user_id;
    let keyring = archety_backend::keyring::Keyring::parse("the session secret of the tests 0001");
    let keyring = keyring.expect("long enough");
    archety_backend::people::delete_person(&s.store, &pepper(), &keyring, ada, at(3))
        .await
        .expect("deleted");
    let stored = store(s, edit("said", at(4))).await;
    assert!(
        matches!(stored, Stored::Duplicate(_)),
        "{stored:?} on {}",
        s.kind
    );
    let people: Vec<(i64,)> = select!(s, "select count(*) from users");
    assert_eq!(people, [(0,)], "{}", s.kind);
}

#[rstest]
#[tokio::test]
async fn the_newest_message_of_each_relay_is_kept(#[values(Sqlite, Postgres)] engine: Engine) {
    let s = &TestStore::new(engine).await;
    let mini = RelayName::parse("mini").expect("valid");
    for relay in ["default", "mini"] {
        execute!(
            s,
            "insert into relays (name, created_at) values ($1, $2)",
            relay,
            NOW
        );
    }
    for n in 0..3 {
        let mut quiet = from_person(&format!("mini {n}"), ADA, day(n));
        quiet.relay = mini.clone();
        store(s, with_its_tombstone(quiet)).await;
        store(
            s,
            with_its_tombstone(from_person(&format!("busy {n}"), BEN, day(n * 50))),
        )
        .await;
    }
    let newest = || async { s.store.newest_message(&mini).await.expect("read") };
    let before = newest().await;
    assert!(before.is_some());
    for _ in 0..2 {
        clean(s, &keep_all(10), day(100)).await;
        assert_eq!(identities(s).await, ["busy 2", "mini 2"], "{}", s.kind);
        assert_eq!(newest().await, before, "{}", s.kind);
    }
    let mut next = from_person("mini 3", ADA, day(101));
    next.relay = mini.clone();
    store(s, with_its_tombstone(next)).await;
    clean(s, &keep_all(10), day(102)).await;
    assert_eq!(identities(s).await, ["busy 2", "mini 3"], "{}", s.kind);
}

/// Whether Ada's sign-in on day `signs_in` creates another person, after she texted on the days `texted` and old
/// messages were deleted on the days `cleaned`.
async fn is_another_person(s: &TestStore, texted: &[u32], cleaned: &[u32], signs_in: u32) -> bool {
    for days in texted {
        let said = from_person(&format!("said {days}"), ADA, day(*days));
        store(s, with_its_tombstone(received(said, day(*days)))).await;
    }
    let before: Vec<(uuid::Uuid,)> = select!(s, "select id from users");
    for days in cleaned {
        clean(s, &keep_all(30), day(*days)).await;
    }
    let resolved = resolve_for_sign_in(&s.store, &phone(ADA), Device::Unknown, day(signs_in)).await;
    before[0].0 != resolved.expect("resolved").user_id
}

#[rstest]
#[tokio::test]
async fn the_deletion_of_old_messages_does_not_change_whether_a_number_counts_as_silent(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let monthly: Vec<u32> = (0..24).map(|month| month * 30).collect();
    for (texted, cleaned, signs_in, is_another) in [
        (&monthly[..], &[][..], 700, false),
        (&monthly, &[700], 700, false),
        // Deleted in several runs, the last of which leaves no message.
        (&monthly, &[100, 101, 350, 700, 800], 800, false),
        // Silent for 180 days after the deleted messages, before them or between them; in the last case for 179.
        (&monthly, &[800], 870, true),
        (&[0, 10, 200, 210, 220], &[400], 390, true),
        (&[0, 10, 200, 210, 220], &[205, 400], 390, true),
        (&[0, 10, 190, 195], &[15, 196], 200, true),
        (&[0, 10, 189, 195], &[15, 196], 200, false),
    ] {
        let s = TestStore::new(engine).await;
        let found = is_another_person(&s, texted, cleaned, signs_in).await;
        assert_eq!(
            found, is_another,
            "{texted:?} {cleaned:?} {signs_in} on {}",
            s.kind
        );
    }
}
