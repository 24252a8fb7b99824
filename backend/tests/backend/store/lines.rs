//! The own addresses of a line, and the conversation of a chat that new messages join when lines change.

use std::collections::BTreeSet;
use std::time::Duration;

use archety_backend::clock::Timestamp;
use archety_backend::store::{LineAddress, LinesUpdate, NewMessage, Pools, Store, Stored};
use rstest::rstest;
use shared_protocol::RelayName;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::task::JoinSet;

use super::message_builder::{direct, in_chat, on_line, received, signed};
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

// Own addresses of the Mac. Each can also be the name of a line.
const ONE: &str = "+15550100100";
const TWO: &str = "two@example.com";
const THREE: &str = "+15550100300";

fn at(secs: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(secs))
}

fn line(name: &str, addresses: &[&str]) -> BTreeSet<LineAddress> {
    let of = |address: &&str| LineAddress {
        address: (*address).to_owned(),
        line: name.to_owned(),
    };
    addresses.iter().map(of).collect()
}

async fn send_lines(store: &Store, lines: &BTreeSet<LineAddress>) -> LinesUpdate {
    let sent = store.set_lines(&RelayName::default(), lines).await;
    sent.expect("stored")
}

const fn changed(conversations: u64) -> LinesUpdate {
    LinesUpdate::Changed { conversations }
}

async fn store_message(base: &TestStore, message: NewMessage) {
    let stored = base.store.store_message(message).await.expect("stored");
    assert!(matches!(stored, Stored::Accepted(_)), "{stored:?}");
}

/// The line of the conversation of each message, as `identity in line`. Each line of a chat has its own
/// conversation.
async fn lines_of_messages(base: &TestStore) -> Vec<String> {
    let sql = "select m.identity || ' in ' || c.line from messages m \
               join conversations c on c.id = m.conversation_id order by m.identity";
    texts(base, sql).await
}

async fn texts(base: &TestStore, sql: &str) -> Vec<String> {
    let sql = AssertSqlSafe(sql.to_owned());
    match base.store.pools() {
        Pools::Postgres(pool) => sqlx::query_scalar(sql).fetch_all(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_scalar(sql).fetch_all(writer).await,
    }
    .expect("texts")
}

#[rstest]
#[tokio::test]
async fn lines_are_written_only_if_they_changed(#[values(Sqlite, Postgres)] engine: Engine) {
    let base = TestStore::new(engine).await;
    let sent = line(ONE, &[ONE, TWO]);
    assert_eq!(send_lines(&base.store, &sent).await, changed(0));
    assert_eq!(send_lines(&base.store, &sent).await, LinesUpdate::Unchanged);
    assert_eq!(
        send_lines(&base.second().await, &sent).await,
        LinesUpdate::Unchanged
    );
    let mini = RelayName::parse("mini").expect("a name");
    let of_mini = base.store.set_lines(&mini, &sent).await;
    assert_eq!(
        of_mini.expect("stored"),
        changed(0),
        "each relay has its own"
    );
    assert_eq!(
        send_lines(&base.store, &line(TWO, &[ONE, TWO])).await,
        changed(0)
    );
    assert_eq!(
        send_lines(&base.store, &line(TWO, &[TWO])).await,
        changed(0)
    );
    let rows = "select relay || ' ' || address || ' ' || line from relay_lines order by 1";
    assert_eq!(
        texts(&base, rows).await,
        [
            format!("default {TWO} {TWO}"),
            format!("mini {ONE} {ONE}"),
            format!("mini {TWO} {ONE}")
        ],
        "{}",
        base.kind
    );
}

#[rstest]
#[tokio::test]
async fn messages_on_any_address_of_a_line_are_in_one_conversation(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    send_lines(&base.store, &line(ONE, &[ONE, TWO])).await;
    store_message(&base, on_line(direct("a"), TWO)).await;
    store_message(&base, on_line(direct("b"), ONE)).await;
    store_message(&base, direct("c")).await;
    store_message(&base, on_line(direct("d"), THREE)).await;
    // The first message of this chat names no line, the second an address.
    let in_other_chat = |identity: &str| in_chat(direct(identity), "iMessage;-;+15550100002");
    store_message(&base, in_other_chat("e")).await;
    store_message(&base, on_line(in_other_chat("f"), TWO)).await;
    let mini = RelayName::parse("mini").expect("a name");
    let mut of_mini = on_line(direct("g"), TWO);
    of_mini.relay = mini;
    store_message(&base, of_mini).await;
    let expected = [
        format!("a in {ONE}"),
        format!("b in {ONE}"),
        format!("c in {ONE}"),
        format!("d in {THREE}"),
        format!("e in {ONE}"),
        format!("f in {ONE}"),
        format!("g in {TWO}"),
    ];
    assert_eq!(lines_of_messages(&base).await, expected, "{}", base.kind);
}

#[rstest]
#[tokio::test]
async fn one_earlier_conversation_of_each_chat_continues_under_the_name_of_its_line(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let chat = |identity: &str, peer: u32| {
        in_chat(direct(identity), &format!("iMessage;-;+1555010{peer:04}"))
    };
    // The chat of `a` has a conversation under another address than the line's name, that of `b` under the name and
    // another address, that of `c` under two other addresses, that of `d` without a line.
    store_message(&base, on_line(chat("a1", 1), TWO)).await;
    store_message(&base, on_line(chat("b1", 2), ONE)).await;
    store_message(&base, received(on_line(chat("b2", 2), TWO), at(5))).await;
    store_message(&base, received(on_line(chat("c1", 3), TWO), at(1))).await;
    store_message(&base, received(on_line(chat("c2", 3), THREE), at(2))).await;
    store_message(&base, received(on_line(chat("c3", 3), TWO), at(3))).await;
    store_message(&base, chat("d1", 4)).await;
    assert_eq!(
        send_lines(&base.store, &line(ONE, &[ONE, TWO, THREE])).await,
        changed(2)
    );
    for (n, old) in [(1, TWO), (2, TWO), (3, THREE), (4, TWO)] {
        store_message(&base, on_line(chat(&format!("new{n}"), n), old)).await;
        store_message(&base, chat(&format!("without{n}"), n)).await;
    }
    let expected = [
        format!("a1 in {ONE}"),
        format!("b1 in {ONE}"),
        // This conversation keeps its message and gets no new ones.
        format!("b2 in {TWO}"),
        format!("c1 in {ONE}"),
        format!("c2 in {THREE}"),
        format!("c3 in {ONE}"),
        format!("d1 in {ONE}"),
        format!("new1 in {ONE}"),
        format!("new2 in {ONE}"),
        format!("new3 in {ONE}"),
        format!("new4 in {ONE}"),
        format!("without1 in {ONE}"),
        format!("without2 in {ONE}"),
        format!("without3 in {ONE}"),
        format!("without4 in {ONE}"),
    ];
    assert_eq!(lines_of_messages(&base).await, expected, "{}", base.kind);
    let conversations = texts(&base, "select cast(count(*) as text) from conversations").await;
    assert_eq!(
        conversations,
        ["6"],
        "no conversation was created on {}",
        base.kind
    );
}

#[rstest]
#[tokio::test]
async fn a_line_can_be_renamed_and_split(#[values(Sqlite, Postgres)] engine: Engine) {
    let base = TestStore::new(engine).await;
    send_lines(&base.store, &line(ONE, &[ONE, TWO])).await;
    store_message(&base, on_line(direct("a"), TWO)).await;
    assert_eq!(
        send_lines(&base.store, &line(TWO, &[ONE, TWO])).await,
        changed(1)
    );
    store_message(&base, on_line(direct("b"), ONE)).await;
    assert_eq!(
        lines_of_messages(&base).await,
        [format!("a in {TWO}"), format!("b in {TWO}")]
    );
    let mut split = line(ONE, &[ONE]);
    split.extend(line(TWO, &[TWO]));
    assert_eq!(send_lines(&base.store, &split).await, changed(0));
    store_message(&base, on_line(direct("c"), ONE)).await;
    store_message(&base, on_line(direct("d"), TWO)).await;
    let stored = lines_of_messages(&base).await;
    assert_eq!(
        stored[2..],
        [format!("c in {ONE}"), format!("d in {TWO}")],
        "{}",
        base.kind
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn lines_sent_while_messages_are_stored_leave_one_conversation_of_each_chat(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let replicas = [base.store.clone(), base.second().await];
    for round in 0..12_u64 {
        let relay = RelayName::parse(&format!("r{round}")).expect("a name");
        let message = {
            let relay = relay.clone();
            move |n: u64, address: &str| {
                let identity = format!("{round:02} {n:02} {address}");
                let chat = format!("iMessage;-;+1555010{:04}", n % 8);
                let mut message = on_line(in_chat(direct(&identity), &chat), address);
                message.relay = relay.clone();
                message
            }
        };
        let mut tasks = JoinSet::new();
        for n in 0..32 {
            let (replica, message) = (replicas[0].clone(), message(n, TWO));
            tasks.spawn(async move {
                // The messages are spread over the time in which the lines are written.
                for _ in 0..n * 3 {
                    tokio::task::yield_now().await;
                }
                replica.store_message(message).await.expect("stored");
            });
        }
        let lines = line(ONE, &[ONE, TWO]);
        let sent = replicas[1].set_lines(&relay, &lines).await;
        sent.expect("stored");
        for n in 0..8 {
            // The name of a line is known once a heartbeat has sent it.
            let stored = replicas[1].store_message(message(n, ONE)).await;
            assert!(matches!(stored, Ok(Stored::Accepted(_))), "{stored:?}");
        }
        while let Some(done) = tasks.join_next().await {
            done.expect("no panic");
        }
        let sql = format!(
            "select distinct line || ' ' || cast(count(*) as text) from conversations \
             where relay = 'r{round}' group by line"
        );
        assert_eq!(
            texts(&base, &sql).await,
            [format!("{ONE} 8")],
            "{}",
            base.kind
        );
    }
}

/// The statement that stores messages must read lines that were committed while it waited.
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_wait_for_new_lines_are_stored_under_them() {
    let base = TestStore::postgres().await;
    // The statement runs often enough that Postgres keeps its plan.
    for n in 0..8 {
        store_message(&base, on_line(direct(&format!("warm {n}")), THREE)).await;
    }
    let mut other = base.database.as_ref().expect("Postgres").connect().await;
    let mut new_lines = other.begin().await.expect("begun");
    new_lines
        .execute("lock table webhook_receipts in share row exclusive mode")
        .await
        .expect("locked");
    let waiting: Vec<_> = [
        on_line(direct("bearer"), TWO),
        signed(on_line(direct("signed"), TWO), "msg_1", 1),
    ]
    .into_iter()
    .map(|message| {
        let store = base.store.clone();
        tokio::spawn(async move { store.store_message(message).await })
    })
    .collect();
    let is_waiting = "select cast(count(*) as text) from pg_locks where not granted \
                      and relation = 'webhook_receipts'::regclass";
    while texts(&base, is_waiting).await == ["0"] {
        tokio::task::yield_now().await;
    }
    new_lines
        .execute(
            "insert into relay_lines values ('default', '+15550100100', '+15550100100'), \
               ('default', 'two@example.com', '+15550100100'); \
             insert into conversations (chat_guid, mode, guid, line) values \
               ('iMessage;-;+15550100001', 'direct', '-;+15550100001', '+15550100100')",
        )
        .await
        .expect("stored");
    new_lines.commit().await.expect("committed");
    for stored in waiting {
        let stored = stored.await.expect("no panic");
        assert!(matches!(stored, Ok(Stored::Accepted(_))), "{stored:?}");
    }
    let stored = lines_of_messages(&base).await;
    assert_eq!(
        stored[..2],
        [format!("bearer in {ONE}"), format!("signed in {ONE}")]
    );
}
