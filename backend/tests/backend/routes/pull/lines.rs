//! The lines in a heartbeat, and the conversations on them.

use archety_backend::config::RelayAuth;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{Engine, Postgres, Sqlite, TestApp, message, sqlite_app};

const NUMBER: &str = "+15550100100";

/// The body of a pull that reports these lines.
fn pull_with(lines: &Value) -> Value {
    json!({ "instance_id": "one", "status": { "version": "0.2.0", "lines": lines } })
}

fn on_line(text: &str, line: &str) -> Value {
    let mut body = message(text);
    body["line"] = json!(line);
    body
}

/// The line and the texts of every conversation, ordered by texts.
async fn conversations(app: &TestApp) -> Vec<(String, String)> {
    use archety_backend::store::Pools;
    let aggregate = match app.kind {
        "postgres" => "string_agg(m.text, ' ' order by m.text)",
        _ => "group_concat(m.text, ' ' order by m.text)",
    };
    let sql = sqlx::AssertSqlSafe(format!(
        "select c.line, {aggregate} from conversations c join messages m on m.conversation_id = c.id \
         group by c.id, c.line order by 2"
    ));
    match app.store.pools() {
        Pools::Postgres(pool) => sqlx::query_as(sql).fetch_all(pool).await,
        Pools::Sqlite { writer, .. } => sqlx::query_as(sql).fetch_all(writer).await,
    }
    .expect("rows")
}

async fn post_all(app: &TestApp, bodies: &[Value]) {
    for body in bodies {
        let id = format!("msg_{}", body["text"].as_str().expect("a text"));
        let answer = app.mini().post(&id, body).await;
        assert_eq!(answer.json()["status"], "accepted", "{}", answer.text());
    }
}

/// What [`conversations`] returns for a single conversation on `line` with these texts.
fn single_conversation(line: &str, texts: &str) -> Vec<(String, String)> {
    vec![(line.to_owned(), texts.to_owned())]
}

#[rstest]
#[tokio::test]
async fn messages_to_any_address_of_a_line_in_any_form_are_one_conversation(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    // An older relay sends the own address as chat.db writes it.
    post_all(
        &app,
        &[
            on_line("a", "E:Me@Example.com"),
            on_line("b", "me@example.com"),
        ],
    )
    .await;
    let lines = json!([{
        "name": NUMBER,
        "addresses": [NUMBER, "me@example.com", "+15550100200"],
    }]);
    let answer = app.mini().pull("pull_1", &pull_with(&lines)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(
        conversations(&app).await,
        single_conversation(NUMBER, "a b"),
        "{}",
        app.kind
    );
    let bodies = [
        on_line("c", NUMBER),
        on_line("d", "tel:+15550100200"),
        on_line("e", "P:+15550100200"),
        on_line("f", "\u{202a}me@EXAMPLE.com\u{202c}"),
        message("g"),
        on_line("h", "+15550100001"),
    ];
    post_all(&app, &bodies).await;
    assert_eq!(
        conversations(&app).await,
        single_conversation(NUMBER, "a b c d e f g h"),
        "{}",
        app.kind
    );
    // A heartbeat without the field `lines` does not change the lines.
    let older = json!({ "instance_id": "one", "status": { "version": "0.1.0" } });
    assert_eq!(app.mini().pull("pull_2", &older).await.status, 200);
    post_all(&app, &[on_line("i", "+15550100200")]).await;
    assert_eq!(conversations(&app).await.len(), 1, "{}", app.kind);
}

#[rstest]
#[tokio::test]
async fn the_other_persons_address_as_line_counts_as_no_line(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let bodies = [
        on_line("a", "+15550100001"),
        on_line("b", NUMBER),
        on_line("c", "tel:+15550100001"),
        message("d"),
        on_line("e", NUMBER),
    ];
    post_all(&app, &bodies).await;
    assert_eq!(
        conversations(&app).await,
        single_conversation(NUMBER, "a b c d e"),
        "{}",
        app.kind
    );
}

#[rstest]
#[tokio::test]
async fn two_lines_of_one_relay_are_two_conversations(#[values(Sqlite, Postgres)] engine: Engine) {
    let app = TestApp::new(engine).await;
    let lines = json!([
        { "name": NUMBER, "addresses": [NUMBER, "me@example.com"] },
        { "name": "work@example.com", "addresses": ["work@example.com", "+15550100200"] },
    ]);
    assert_eq!(
        app.mini().pull("pull_1", &pull_with(&lines)).await.status,
        200
    );
    let bodies = [
        on_line("a", "me@example.com"),
        on_line("b", "+15550100200"),
        on_line("c", NUMBER),
        on_line("d", "work@example.com"),
    ];
    post_all(&app, &bodies).await;
    let expected = [
        (NUMBER.to_owned(), "a c".to_owned()),
        ("work@example.com".to_owned(), "b d".to_owned()),
    ];
    assert_eq!(conversations(&app).await, expected, "{}", app.kind);
}

#[rstest]
#[tokio::test]
async fn a_pull_by_an_installation_without_the_lease_changes_no_lines(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let app = TestApp::new(engine).await;
    let heartbeat = |instance: &str, name: &str| {
        let lines = json!([{ "name": name, "addresses": [name, "me@example.com"] }]);
        let mut pull = pull_with(&lines);
        pull["instance_id"] = json!(instance);
        pull
    };
    assert_eq!(
        app.mini()
            .pull("pull_1", &heartbeat("one", NUMBER))
            .await
            .status,
        200
    );
    let without_lease = app
        .mini()
        .pull("pull_2", &heartbeat("two", "+15550100200"))
        .await;
    assert_eq!(without_lease.status, 409);
    post_all(&app, &[on_line("a", "me@example.com")]).await;
    assert_eq!(
        conversations(&app).await,
        single_conversation(NUMBER, "a"),
        "{}",
        app.kind
    );
}

#[tokio::test]
async fn invalid_lines_are_refused_with_their_field_and_repeated_addresses_accepted() {
    let app = sqlite_app(RelayAuth::Both).await;
    let many: Vec<_> = (0..65)
        .map(|n| json!({ "name": format!("l{n}"), "addresses": [] }))
        .collect();
    let long: Vec<_> = (0..512).map(|n| format!("a{n}")).collect();
    let cases = [
        (json!(many), "status.lines"),
        (json!([{ "name": "n", "addresses": long }]), "status.lines"),
        (
            json!([{ "name": "", "addresses": ["a"] }]),
            "status.lines[0].name",
        ),
        (
            json!([{ "name": "tel:", "addresses": ["a"] }]),
            "status.lines[0].name",
        ),
        (
            json!([{ "name": "a\u{0}", "addresses": [] }]),
            "status.lines[0].name",
        ),
        (
            json!([{ "name": "a", "addresses": ["a", " "] }]),
            "status.lines[0].addresses[1]",
        ),
        (
            json!([{ "name": "a", "addresses": ["x".repeat(321)] }]),
            "status.lines[0].addresses[0]",
        ),
        (
            json!([{ "name": "a", "addresses": ["b@x"] }, { "name": "c", "addresses": ["c", "E:B@X"] }]),
            "status.lines[1].addresses[1]",
        ),
        (json!([{ "name": "a" }]), "(body)"),
        (json!("a"), "(body)"),
    ];
    for (n, (lines, field)) in cases.iter().enumerate() {
        let refused = app
            .mini()
            .pull(&format!("pull_{n}"), &pull_with(lines))
            .await;
        assert_eq!(refused.status, 422, "{field}");
        let violations = refused.json()["violations"].clone();
        assert_eq!(violations[0]["field"], *field);
        assert_eq!(violations.as_array().map(Vec::len), Some(1), "{violations}");
    }
    // The name of a line counts as an address even if it is not listed. An address may be listed twice.
    let repeated =
        json!([{ "name": "a", "addresses": ["b", "b", "P:b"] }, { "name": "c", "addresses": [] }]);
    let accepted = app
        .mini()
        .pull("pull_accepted", &pull_with(&repeated))
        .await;
    assert_eq!(accepted.status, 200, "{}", accepted.text());
}
