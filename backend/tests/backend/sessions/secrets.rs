//! Tokens stand neither in the database nor in the log in clear text.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use archety_backend::store::Pools;
use http::Method;
use rstest::rstest;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use super::support::{ADA, BOB, EXPIRED, Issuer, Pair, REFRESH, cookie_of, renewed};
use crate::support::{Engine, Postgres, Sqlite};

/// The whole database as text, with blobs in hexadecimal.
async fn dump(pair: &Pair) -> String {
    const TABLES: &str = "select table_name from information_schema.tables \
                          where table_schema = 'public' and table_type = 'BASE TABLE'";
    let mut text = String::new();
    match pair.base.store.pools() {
        Pools::Postgres(pool) => {
            let tables: Vec<String> = sqlx::query_scalar(TABLES)
                .fetch_all(pool)
                .await
                .expect("tables");
            for table in tables {
                let sql = format!(r#"select t::text from "{table}" t"#);
                let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
                    .fetch_all(pool)
                    .await
                    .expect("rows");
                text.extend(rows);
            }
        }
        Pools::Sqlite { writer, .. } => {
            let columns: Vec<(String, String)> = sqlx::query_as(
                "select m.name, c.name from sqlite_schema m join pragma_table_info(m.name) c \
                 where m.type = 'table'",
            )
            .fetch_all(writer)
            .await
            .expect("columns");
            for (table, column) in columns {
                let sql = format!(r#"select quote("{column}") from "{table}""#);
                let values: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
                    .fetch_all(writer)
                    .await
                    .expect("values");
                text.extend(values);
            }
        }
    }
    text.to_lowercase()
}

/// Whether `text` contains the token, in clear or in hexadecimal.
fn contains_token(text: &str, token: &str) -> bool {
    let hex: Vec<String> = token.bytes().map(|byte| format!("{byte:02x}")).collect();
    text.contains(&token.to_lowercase()) || text.contains(&hex.concat())
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic")).into_owned()
    }
}

#[rstest]
#[tokio::test]
async fn tokens_are_neither_stored_nor_logged_in_clear_text_and_numbers_are_not_logged(
    #[values(Sqlite, Postgres)] engine: Engine,
    #[values(Issuer::Local, Issuer::Supabase)] issuer: Issuer,
) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // With a single subscriber, tracing disables a log statement for all threads if the thread of another test
    // reaches it first. With two subscribers, tracing asks each of them.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _logging = tracing::subscriber::set_default(subscriber);
    let pair = Pair::of(engine, issuer).await;
    let phone = pair.first().signed_in(ADA).await;
    let browser = pair.first().browser_of(BOB).await;
    let mut dumps = dump(&pair).await;
    pair.advance(EXPIRED);
    let next = renewed(&phone, &phone.refresh(pair.first()).await);
    let mut page = browser.clone();
    let answer = page.post(pair.first(), "/auth/refresh", &json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    page.get(pair.first(), "/auth/session").await;
    dumps.push_str(&dump(&pair).await);
    // Adds the events of a reused token and of a log-out to the database and the log.
    pair.advance(Duration::from_mins(1));
    let last = renewed(&next, &next.refresh(pair.first()).await);
    pair.advance(Duration::from_mins(1));
    page.get(pair.first(), "/auth/session").await;
    browser
        .peek(pair.first(), Method::GET, "/auth/session", None)
        .await;
    last.call(pair.first(), Method::POST, "/auth/logout", None)
        .await;
    dumps.push_str(&dump(&pair).await);
    pair.do_jobs().await;

    let mut tokens = vec![cookie_of(&browser).to_owned()];
    for phone in [&phone, &next, &last] {
        tokens.push(phone.refresh_token.clone());
        tokens.push(phone.access_token.clone());
    }
    if pair.has_provider() {
        pair.advance(EXPIRED);
        for request in pair.provider().requests().all() {
            let bearer = request.headers.get("authorization");
            let bearer = bearer.and_then(|value| value.to_str().ok());
            if let Some(token) = bearer.and_then(|text| text.strip_prefix("Bearer ")) {
                tokens.push(token.to_owned());
            }
            if let Ok(body) = serde_json::from_str::<Value>(&request.body) {
                let secrets = ["refresh_token", "password"];
                let secrets = secrets.iter().filter_map(|key| body[key].as_str());
                tokens.extend(secrets.map(str::to_owned));
            }
        }
        assert!(pair.request_count(REFRESH) >= 2, "{}", pair.kind());
        assert!(tokens.len() > 12, "{}", tokens.len());
    }
    assert!(
        contains_token(&dumps, ADA),
        "precondition: the dump contains what is stored"
    );
    let (dumps, log) = (dumps.as_str(), log.text());
    assert!(log.contains("used again after its successor"), "{log}");
    for token in &tokens {
        let n = token.len();
        assert!(
            !contains_token(dumps, token),
            "{n} chars on {}",
            pair.kind()
        );
        assert!(!log.contains(token), "{n} chars in the log");
    }
    for personal in [ADA, BOB, &ADA[2..], &BOB[2..]] {
        assert!(!log.contains(personal), "a number is in the log");
    }
}
