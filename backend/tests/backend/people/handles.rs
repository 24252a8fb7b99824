//! Handles without a person: export and deletion find the rows of a handle in every spelling, and leave the
//! rows of other handles.

use archety_backend::config::RelayAuth;
use archety_backend::jobs::JobOutcome;
use archety_backend::keyring::Keyring;
use archety_backend::people::{HandleExport, delete_handle};
use archety_backend::store::people::HandleRows;
use archety_backend::store::{NewMessage, Stored};
use rstest::rstest;
use serde_json::Value;
use shared_protocol::{Address, RelayName};
use sqlx::AssertSqlSafe;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::everything::{at, pepper};
use super::rows::{
    BEN, execute, from_person, in_group, select, signed_in, store, typed, with_tombstone,
};
use crate::support::{Engine, NOW, Postgres, Sqlite, TestApp, TestStore, secrets};

/// The address in the spelling of older relays.
const MAIL: &str = "E:Ann@Example.com";

fn address(text: &str) -> Address {
    Address::parse(text).expect("a handle")
}

fn keyring() -> Keyring {
    Keyring::parse("the session secret of the tests 0001").expect("long enough")
}

async fn traces(s: &TestStore, text: &str) -> HandleRows {
    s.store.traces(&address(text), None).await.expect("read")
}

/// Deletes the rows of a handle and returns the number of chats and messages of other people that were changed.
pub(super) async fn erase(s: &TestStore, text: &str) -> u64 {
    let traces = traces(s, text).await;
    delete_handle(
        &s.store,
        &pepper(),
        &keyring(),
        &address(text),
        &traces,
        at(100),
    )
    .await
    .expect("deleted")
}

fn with_its_tombstone(message: NewMessage) -> NewMessage {
    with_tombstone(message, &pepper())
}

/// Stores every kind of row for the handle `written`, the same rows for `other`, and messages of Ben.
async fn fill(s: &TestStore, written: &str, other: &str) {
    store(s, from_person("ben 1", BEN, at(0))).await;
    for (n, spelling) in [written, other].into_iter().enumerate() {
        let name = if n == 0 { "ann-secret" } else { "other" };
        store(
            s,
            with_its_tombstone(from_person(&format!("{name} 1"), spelling, at(1))),
        )
        .await;
        store(
            s,
            with_its_tombstone(typed(&format!("{name} typed"), spelling, at(2))),
        )
        .await;
        let group = with_its_tombstone(in_group(&format!("{name} group"), "g", spelling, at(3)));
        store(s, group).await;
        // The handle's message in Ben's chat.
        let mut in_bens = from_person(&format!("{name} in bens"), spelling, at(4));
        in_bens.chat.guid = format!("-;{BEN}");
        in_bens.chat.chat_guid = format!("iMessage;-;{BEN}");
        store(s, with_its_tombstone(in_bens)).await;
        // A chat in which only the Mac's owner has written.
        let mut begun = typed(&format!("{name} begun"), spelling, at(5));
        begun.relay = RelayName::parse("mini").expect("valid");
        store(s, with_its_tombstone(begun)).await;
    }
    let mut bens = in_group("ben in group", "g", BEN, at(6));
    bens.chat.participants = vec![written.to_owned(), other.to_owned()];
    bens.chat.participants_digest = [3; 32];
    bens.mentions = vec![written.to_owned(), other.to_owned()];
    bens.meta_data = Some(serde_json::json!({ "mentions": bens.mentions }).to_string());
    store(s, bens).await;
}

async fn identities(s: &TestStore) -> Vec<String> {
    let rows: Vec<(String,)> = select!(s, "select identity from messages order by identity");
    rows.into_iter().map(|row| row.0).collect()
}

/// The number of rows in each table that contain `text`.
async fn rows_with(s: &TestStore, text: &str) -> Vec<(&'static str, i64)> {
    let places = [
        ("messages", "coalesce(sender, '')"),
        ("messages", "cast(meta_data as text)"),
        ("participants", "handle"),
        ("mentions", "address"),
        (
            "conversations",
            "guid || chat_guid || coalesce(owner_handle, '')",
        ),
        ("conversation_aliases", "chat_guid"),
    ];
    let mut found = Vec::new();
    for (table, column) in places {
        let sql = format!("select count(*) from {table} where {column} like '%' || $1 || '%'");
        let count: Vec<(i64,)> = select!(s, AssertSqlSafe(sql), text);
        found.push((table, count[0].0));
    }
    found
}

fn total(found: &[(&str, i64)]) -> i64 {
    found.iter().map(|(_, count)| count).sum()
}

#[rstest]
#[tokio::test]
async fn all_rows_of_a_handle_are_deleted_in_every_spelling(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    for (written, argument, other) in [
        ("ann@example.com", MAIL, "xann@example.com"),
        (MAIL, " mailto:ann@EXAMPLE.com ", "ann@example.com.au"),
        ("262966", "tel: 262966", "2629660"),
        ("urn:biz:0000-11", "urn:biz:0000-11", "urn:biz:0000-12"),
        ("56249(smsfp)", "\u{200e}56249(smsfp) ", "56249"),
        // A number that is not written as E.164, as older relays did, belongs to no person.
        ("tel:+1 555 010 0077", "+15550100077", "+15550100078"),
    ] {
        let s = &TestStore::new(engine).await;
        fill(s, written, other).await;
        assert!(total(&rows_with(s, written).await) > 8, "precondition");
        let before = rows_with(s, other).await;
        // One group with the handle among its participants, and one message that mentions it.
        assert_eq!(erase(s, argument).await, 2, "{argument} on {}", s.kind);
        let left = identities(s).await;
        let expected = [
            "ben 1",
            "ben in group",
            "other 1",
            "other begun",
            "other group",
            "other in bens",
            "other typed",
        ];
        assert_eq!(left, expected, "{argument} on {}", s.kind);
        // `rows_with` also counts a longer handle that contains the text.
        if !written.contains(other) {
            assert_eq!(
                rows_with(s, other).await,
                before,
                "{other} beside {written} on {}",
                s.kind
            );
        }
        if !other.contains(written) {
            assert_eq!(
                total(&rows_with(s, written).await),
                0,
                "{written} on {}",
                s.kind
            );
        }
        let rows: Vec<(i64, i64)> = select!(
            s,
            "select (select count(*) from tombstones), (select count(*) from jobs)"
        );
        assert_eq!(rows, [(5, 0)], "{}", s.kind);
        assert!(traces(s, argument).await.is_empty());
        assert_eq!(
            erase(s, argument).await,
            0,
            "a second deletion changes nothing"
        );
    }
}

#[rstest]
#[tokio::test]
async fn a_late_retry_restores_nothing_and_a_new_message_starts_a_new_history(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    fill(s, MAIL, "other@example.com").await;
    let own = traces(s, MAIL).await.conversations;
    erase(s, "ann@example.com").await;
    for late in [
        from_person("ann-secret 1", MAIL, at(200)),
        from_person("ann-secret 1", "ann@example.com", at(200)),
        in_group("ann-secret group", "g", MAIL, at(200)),
        typed("ann-secret typed", MAIL, at(200)),
    ] {
        let late = store(s, with_its_tombstone(late)).await;
        assert!(
            matches!(late, Stored::Duplicate(_)),
            "{late:?} on {}",
            s.kind
        );
    }
    assert!(traces(s, MAIL).await.is_empty(), "{}", s.kind);
    let next = store(s, with_its_tombstone(from_person("next", MAIL, at(201)))).await;
    assert!(matches!(next, Stored::Accepted(_)), "{next:?}");
    let again = traces(s, MAIL).await;
    assert_eq!((again.conversations.len(), again.messages.len()), (1, 1));
    assert!(own.iter().all(|row| row.id != again.conversations[0].id));
}

#[rstest]
#[tokio::test]
async fn the_deletion_of_a_handle_keeps_a_persons_messages_in_chats_with_the_handle(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    // `fill` stores messages of the address in Ben's chat. Ben also writes in the chat of the address.
    fill(s, MAIL, "other@example.com").await;
    let mut in_chat_of_mail = from_person("ben by mail", BEN, at(8));
    in_chat_of_mail.chat.guid = "-;ann@example.com".to_owned();
    store(s, in_chat_of_mail).await;
    signed_in(s, BEN, at(9)).await;
    erase(s, MAIL).await;
    let left = identities(s).await;
    for kept in ["ben 1", "ben by mail", "ben in group"] {
        assert!(
            left.contains(&kept.to_owned()),
            "{kept}: {left:?} on {}",
            s.kind
        );
    }
}

#[rstest]
#[tokio::test]
async fn a_failed_deletion_is_finished_by_a_job_that_keeps_new_messages(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let app = TestApp::on(base, RelayAuth::Both, &secrets()).await;
    let s = &app.base;
    fill(s, MAIL, "other@example.com").await;
    let (make, drop) = match s.kind {
        "postgres" => {
            execute!(
                s,
                "create or replace function broken() returns trigger language plpgsql as \
                 $$ begin raise exception 'broken'; end $$"
            );
            (
                "create trigger broken before delete on messages for each row execute function broken()",
                "drop trigger broken on messages",
            )
        }
        _ => (
            "create trigger broken before delete on messages begin select raise(abort, 'broken'); end",
            "drop trigger broken",
        ),
    };
    execute!(s, make);
    let found = traces(s, MAIL).await;
    let address = address(MAIL);
    let failed = delete_handle(&s.store, &pepper(), &keyring(), &address, &found, at(100)).await;
    assert!(failed.is_err(), "{}", s.kind);
    execute!(s, drop);
    let jobs: Vec<(String,)> = select!(s, "select kind from jobs");
    assert_eq!(jobs, [("delete_handle".to_owned(),)], "{}", s.kind);
    for new in [
        from_person("new 1", MAIL, at(150)),
        in_group("new group", "g", MAIL, at(150)),
    ] {
        let stored = store(s, with_its_tombstone(new)).await;
        assert!(
            matches!(stored, Stored::Accepted(_)),
            "{stored:?} on {}",
            s.kind
        );
    }
    // The job waits ten minutes, while the command that failed may finish the deletion.
    let before_due = app.jobs.step(at(200)).await.expect("a store");
    assert_eq!(before_due, None, "{}", s.kind);
    let done = app.jobs.step(at(701)).await.expect("a store");
    assert_eq!(done, Some(JobOutcome::Done), "{}", s.kind);
    let left = identities(s).await;
    assert!(
        !left.iter().any(|text| text.contains("ann-secret")),
        "{left:?}"
    );
    assert!(left.contains(&"new 1".to_owned()) && left.contains(&"new group".to_owned()));
    let jobs: Vec<(i64,)> = select!(s, "select count(*) from jobs");
    assert_eq!(jobs, [(0,)], "{}", s.kind);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_arrive_during_a_deletion_are_deleted_or_start_a_new_history(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = TestStore::new(engine).await;
    let replica = s.second().await;
    for round in 0..15_u32 {
        let mail = format!("round{round}@example.com");
        for n in 0..5 {
            let old = from_person(&format!("old {round} {n}"), &mail, at(1));
            store(&s, with_its_tombstone(old)).await;
        }
        let mut tasks = JoinSet::new();
        for n in 0..10 {
            let what = if n < 5 { "old" } else { "new" };
            let message =
                with_its_tombstone(from_person(&format!("{what} {round} {n}"), &mail, at(2)));
            let replica = replica.clone();
            tasks.spawn(async move {
                let stored = replica.store_message(message).await.expect("stored");
                assert_eq!(matches!(stored, Stored::Duplicate(_)), n < 5, "{stored:?}");
            });
        }
        erase(&s, &mail).await;
        while let Some(done) = tasks.join_next().await {
            done.expect("no panic");
        }
        let left: Vec<(String, String)> = select!(
            s,
            "select m.identity, c.guid from messages m join conversations c on c.id = m.conversation_id \
             where m.identity like $1",
            format!("% {round} %")
        );
        for (identity, guid) in left {
            assert!(identity.starts_with("new"), "{identity} on {}", s.kind);
            assert!(!guid.starts_with("archived:"), "{guid} on {}", s.kind);
        }
    }
}

async fn export(s: &TestStore, text: &str) -> Value {
    let (address, traces) = (address(text), traces(s, text).await);
    let export = HandleExport::begin(&s.store, &address, &traces, NOW).await;
    let mut export = export.expect("read");
    let mut document = String::new();
    while let Some(piece) = export.next_piece().await.expect("read") {
        document.push_str(&piece);
    }
    serde_json::from_str(&document).expect("one document")
}

#[rstest]
#[tokio::test]
async fn an_export_has_the_rows_of_one_handle_and_no_message_of_others(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    fill(s, MAIL, "other@example.com").await;
    for n in 0..600 {
        store(
            s,
            from_person(&format!("many {n}"), "ann@example.com", at(10 + n)),
        )
        .await;
    }
    let document = export(s, "mailto:ANN@example.com").await;
    assert_eq!(document["address"], "ann@example.com");
    assert_eq!(
        document["written_as"],
        serde_json::json!([MAIL, "ann@example.com"])
    );
    let messages = document["messages"].as_array().expect("a list");
    let texts: Vec<_> = messages
        .iter()
        .map(|message| message["text"].as_str().expect("a text"))
        .collect();
    assert_eq!(texts.len(), 605, "{}", s.kind);
    assert_eq!(texts[0], "many 599", "the newest first");
    let rest = [
        "ann-secret begun",
        "ann-secret in bens",
        "ann-secret group",
        "ann-secret typed",
        "ann-secret 1",
    ];
    assert_eq!(texts[600..], rest, "{}", s.kind);
    assert_eq!(document["conversations"].as_array().map(Vec::len), Some(3));
    assert_eq!(document["mentioned_in"].as_array().map(Vec::len), Some(1));
    let participates_in = document["participates_in"].as_array().expect("a list");
    assert_eq!(participates_in.len(), 4, "{participates_in:?}");
    assert!(!document.to_string().contains("ben in group"));
    assert!(!document.to_string().contains("other"));
    let nothing = export(s, "nothing@example.com").await;
    assert_eq!(nothing["messages"], serde_json::json!([]));
    assert!(traces(s, "nothing@example.com").await.is_empty());
    let people: Vec<Uuid> = traces(s, MAIL).await.people;
    assert!(people.is_empty(), "an e-mail address has no person");
}
