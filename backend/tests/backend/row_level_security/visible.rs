//! The rows that each role sees and changes, on every table.

use super::people::GROUP;
use super::*;

/// A column to name in an update of `table`.
async fn column(connection: &mut PgConnection, table: &str) -> String {
    // `archety_user` may not write the first column of `users`.
    if table == "users" {
        return "name".to_owned();
    }
    sqlx::query_scalar(
        "select attname::text from pg_attribute
         where attrelid = to_regclass($1) and attnum > 0 and not attisdropped
         order by attnum limit 1",
    )
    .bind(table)
    .fetch_one(connection)
    .await
    .expect("a column")
}

/// Runs every kind of statement on every table. `allowed` says which of them the role may run, `rows` how many
/// rows an allowed one reads or changes.
async fn try_everything(
    role: &str,
    claims: Option<&str>,
    allowed: impl Fn(&str, &str) -> bool,
    rows: impl Fn(&str) -> u64,
) {
    let People {
        mut connection,
        database,
    } = People::new().await;
    let connection = &mut connection;
    for table in tables(connection).await {
        let column = column(connection, &table).await;
        for (kind, sql) in statements(&table, &column) {
            let expected = match (kind, allowed(&table, kind)) {
                (_, false) => Outcome::Denied,
                ("insert", true) => Outcome::Rows(0),
                (_, true) => Outcome::Rows(rows(&table)),
            };
            let outcome = attempt(connection, role, claims, &sql).await;
            assert_eq!(outcome, expected, "{role} with {claims:?}: {sql}");
        }
    }
    drop(database);
}

fn readable(table: &str, kind: &str) -> bool {
    kind == "select" && READABLE.contains(&table)
}

fn allowed_to_user_routes(table: &str, kind: &str) -> bool {
    readable(table, kind) || WRITABLE.contains(&(table, kind))
}

/// Ada sees one row of each table, but four messages: her own in her chat and in the group, Ben's in her chat,
/// and the assistant's in her chat.
fn rows_of_ada(table: &str) -> u64 {
    if table == "messages" { 4 } else { 1 }
}

#[tokio::test]
async fn a_signed_in_person_reads_their_own_rows_and_changes_none() {
    try_everything("authenticated", Some(&ADA.claims()), readable, rows_of_ada).await;
}

#[tokio::test]
async fn the_role_of_user_routes_reaches_only_one_persons_rows() {
    try_everything(
        "archety_user",
        Some(&ADA.claims()),
        allowed_to_user_routes,
        rows_of_ada,
    )
    .await;
}

#[tokio::test]
async fn authenticated_without_claims_sees_no_row() {
    try_everything("authenticated", None, readable, |_| 0).await;
}

#[tokio::test]
async fn the_role_of_user_routes_without_claims_reaches_no_row() {
    try_everything("archety_user", None, allowed_to_user_routes, |_| 0).await;
}

#[tokio::test]
async fn anon_has_no_right_on_any_table() {
    try_everything("anon", Some(&ADA.claims()), |_, _| false, |_| 0).await;
}

#[tokio::test]
async fn the_owner_of_the_tables_reads_at_least_two_rows_of_each() {
    let mut people = People::new().await;
    for table in tables(&mut people.connection).await {
        let sql = format!("select from {table}");
        let done = people
            .connection
            .execute(AssertSqlSafe(sql))
            .await
            .expect("rows");
        assert!(done.rows_affected() >= 2, "{table} has no row of each");
    }
}

/// Checks which rows are visible, not only how many. In their chat, a person also sees messages of others.
#[tokio::test]
async fn visible_rows_are_the_persons_own_or_messages_in_their_chat() {
    let mut people = People::new().await;
    for role in ["authenticated", "archety_user"] {
        for (person, texts) in [
            (
                ADA,
                &[
                    "1",
                    "ada in the group",
                    "ben writes in the chat of ada",
                    "to ada",
                ][..],
            ),
            (BEN, &["2", "ben in the group"]),
        ] {
            let mut transaction = people.connection.begin().await.expect("begun");
            sqlx::query(
                "select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)",
            )
            .bind(role)
            .bind(person.claims())
            .execute(&mut *transaction)
            .await
            .expect("become");
            // The rows of bubbles have no owner. Their messages do.
            for table in READABLE
                .into_iter()
                .filter(|table| *table != "command_bubbles")
            {
                let owner = if table == "users" { "id" } else { "user_id" };
                let sql = format!(
                    "select count(*) from {table} where {owner} is distinct from '{}'",
                    person.id
                );
                let of_others: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
                    .fetch_one(&mut *transaction)
                    .await
                    .expect("a count");
                // Ben's message and the assistant's in Ada's chat.
                let expected = if table == "messages" && texts.len() > 2 {
                    2
                } else {
                    0
                };
                assert_eq!(of_others, expected, "{role}: {table}");
            }
            let seen: Vec<String> = sqlx::query_scalar("select text from messages order by text")
                .fetch_all(&mut *transaction)
                .await
                .expect("messages");
            assert_eq!(seen, texts, "{role}");
            let texts_of_bubbles =
                "select m.text from command_bubbles b join messages m on m.id = b.message_id";
            let bubbles: Vec<String> = sqlx::query_scalar(texts_of_bubbles)
                .fetch_all(&mut *transaction)
                .await
                .expect("bubbles");
            assert_eq!(
                bubbles,
                texts[..1],
                "{role}: the text of each first message is its number"
            );
            let groups: i64 =
                sqlx::query_scalar("select count(*) from conversations where id = $1")
                    .bind(GROUP)
                    .fetch_one(&mut *transaction)
                    .await
                    .expect("a count");
            assert_eq!(
                groups, 0,
                "{role}: a group's row would show its other members"
            );
            transaction.rollback().await.expect("rolled back");
        }
    }
}
