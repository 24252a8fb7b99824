//! The export of a person: complete, in pages, without data of other people.

use std::time::Duration;

use archety_backend::people::Export;
use archety_backend::store::Pools;
use archety_backend::store::people::Reader;
use rstest::rstest;
use serde_json::Value;
use sqlx::Executor;

use super::rows::{ADA, BEN, execute, from_person, in_group, reply, signed_in, store, themselves};
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

/// Returns the exported document, the number of its pieces and the length of the longest.
async fn export(s: &TestStore, reader: Reader) -> (Value, usize, usize) {
    let export = Export::begin(&s.store, reader, NOW).await.expect("read");
    let mut export = export.expect("a person");
    let (mut document, mut pieces, mut longest) = (String::new(), 0, 0);
    while let Some(piece) = export.next_piece().await.expect("read") {
        pieces += 1;
        longest = longest.max(piece.len());
        document.push_str(&piece);
    }
    (
        serde_json::from_str(&document).expect("one document"),
        pieces,
        longest,
    )
}

#[rstest]
#[tokio::test]
async fn an_export_has_the_rows_of_one_person_and_no_message_of_others(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    store(s, from_person("ada 1", ADA, NOW)).await;
    reply(s, "sage 1", "ada 1", NOW.plus(Duration::from_secs(1))).await;
    store(s, in_group("ada in group", "g", ADA, NOW)).await;
    store(s, in_group("ben in group", "g", BEN, NOW)).await;
    let ada = signed_in(s, ADA, NOW).await;
    for reader in [themselves(&ada), Reader::Operator(ada.user_id)] {
        let (document, _, _) = export(s, reader).await;
        let mut texts: Vec<_> = document["messages"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|message| message["text"].as_str().expect("a text"))
            .collect();
        texts.sort_unstable();
        assert_eq!(texts, ["ada 1", "ada in group", "sage 1"], "{}", s.kind);
        assert_eq!(document["user"]["phone"], ADA);
        assert_eq!(document["relationships"][0]["message_count"], 2);
        assert_eq!(document["conversations"].as_array().map(Vec::len), Some(1));
        for list in ["onboarding_sessions", "sessions", "auth_events"] {
            assert_eq!(document[list], serde_json::json!([]), "{list}");
        }
        assert_eq!(document["traits"], serde_json::json!({}));
        assert!(!document.to_string().contains("ben in group"));
    }
    let mut unknown = ada;
    unknown.user_id = crate::store::message_builder::id();
    let none = Export::begin(&s.store, themselves(&unknown), NOW).await;
    assert!(none.expect("read").is_none());
}

#[rstest]
#[tokio::test]
async fn an_export_contains_the_persons_own_meta_data_with_escaped_nul(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    store(s, from_person("ada 1", ADA, NOW)).await;
    store(s, in_group("ada in group", "g", ADA, NOW)).await;
    store(s, from_person("ben 1", BEN, NOW)).await;
    let ada = signed_in(s, ADA, NOW).await;
    // An adopted `json` column may contain spaces and an escaped NUL.
    for (table, owner) in [
        ("users", "id"),
        ("conversations", "user_id"),
        ("messages", "user_id"),
        ("relationships", "user_id"),
    ] {
        let cast = if s.kind == "postgres" { "::json" } else { "" };
        let sql = format!("update {table} set meta_data = ($2{cast}) where {owner} = $1");
        let meta_data = format!("{{ \"of\" :\"{table}\", \"nul\": \"\\u0000\"}}");
        execute!(s, sqlx::AssertSqlSafe(sql), ada.user_id, meta_data);
    }
    for reader in [themselves(&ada), Reader::Operator(ada.user_id)] {
        let (document, _, _) = export(s, reader).await;
        for (place, table) in [
            ("/user", "users"),
            ("/conversations/0", "conversations"),
            ("/relationships/0", "relationships"),
            ("/messages/0", "messages"),
            ("/messages/1", "messages"),
        ] {
            let expected = serde_json::json!({ "of": table, "nul": "\u{0}" });
            let path = format!("{place}/meta_data");
            assert_eq!(
                document.pointer(&path),
                Some(&expected),
                "{path} on {}",
                s.kind
            );
        }
    }
    let ben = signed_in(s, BEN, NOW).await;
    let (document, _, _) = export(s, themselves(&ben)).await;
    assert_eq!(document["user"]["meta_data"], Value::Null, "{}", s.kind);
    assert!(!document.to_string().contains("\"of\""), "{document}");
}

#[rstest]
#[tokio::test]
async fn a_long_history_is_exported_whole_in_pieces_of_limited_length(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    store(s, from_person("seed", ADA, NOW)).await;
    let ada = signed_in(s, ADA, NOW).await;
    let fill = match s.store.pools() {
        Pools::Postgres(pool) => {
            let fill = "insert into messages (id, conversation_id, user_id, role, text, created_at) \
                 select gen_random_uuid(), conversation_id, user_id, 'user', 'x', created_at \
                 from messages, generate_series(1, 20000)";
            pool.execute(fill).await.map(drop)
        }
        Pools::Sqlite { writer, .. } => {
            let fill = "with recursive n (n) as (select 1 union all select n + 1 from n where n < 20000) \
                 insert into messages (id, conversation_id, user_id, role, text, created_at) \
                 select randomblob(16), conversation_id, user_id, 'user', 'x', created_at from messages, n";
            writer.execute(fill).await.map(drop)
        }
    };
    fill.expect("filled");
    let started = std::time::Instant::now();
    let (document, pieces, longest) = export(s, themselves(&ada)).await;
    eprintln!(
        "20,001 messages of one instant exported from {}: {:?}",
        s.kind,
        started.elapsed()
    );
    assert_eq!(
        document["messages"].as_array().map(Vec::len),
        Some(20_001),
        "{}",
        s.kind
    );
    assert!(
        // A piece has at most 500 messages, each shorter than 600 bytes.
        pieces > 40 && longest < 500 * 600,
        "{pieces} pieces of up to {longest} bytes"
    );
}

#[rstest]
#[tokio::test]
async fn many_events_of_authentication_are_all_exported_in_several_pieces(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let s = &TestStore::new(engine).await;
    let ada = signed_in(s, ADA, NOW).await;
    let ben = signed_in(s, BEN, NOW).await;
    for (person, count) in [(&ada, 1_200), (&ben, 3)] {
        for n in 0..count {
            // 700 events have the same time, so a page ends between two of them.
            let at = NOW.plus(Duration::from_secs(n / 700));
            let insert = "insert into auth_events (id, occurred_at, kind, outcome, user_id) \
                          values ($1, $2, 'k', 'o', $3)";
            execute!(
                s,
                insert,
                crate::store::message_builder::id(),
                at,
                person.user_id
            );
        }
    }
    let (document, pieces, _) = export(s, themselves(&ada)).await;
    let events = document["auth_events"].as_array().map(Vec::len);
    assert_eq!(events, Some(1_200), "{}", s.kind);
    assert_eq!(document["messages"], serde_json::json!([]));
    assert_eq!(
        pieces, 5,
        "the head, three pieces of events, one of messages"
    );
}
