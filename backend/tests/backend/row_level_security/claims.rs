//! `app.uid()` is the id of a person who is confirmed and not archived, or null.

use super::people::claims;
use super::*;

/// The result of `app.uid()` for a session with these claims.
async fn uid(connection: &mut PgConnection, claims: &str) -> Option<uuid::Uuid> {
    let mut transaction = connection.begin().await.expect("begun");
    sqlx::query("select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)")
        .bind(claims)
        .execute(&mut *transaction)
        .await
        .expect("become");
    let uid = sqlx::query_scalar("select app.uid()")
        .fetch_one(&mut *transaction)
        .await
        .expect("it never fails");
    transaction.rollback().await.expect("rolled back");
    uid
}

#[tokio::test]
async fn only_the_issuer_and_subject_of_a_confirmed_account_have_a_uid() {
    let mut people = People::new().await;
    let connection = &mut people.connection;
    assert_eq!(uid(connection, &ADA.claims()).await, Some(ADA.id));
    let subject = ADA.subject.to_string();
    let nested = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for garbage in [
        "",
        " ",
        "null",
        "7",
        "\"text\"",
        "[]",
        "{}",
        "{",
        "garbage",
        "\u{feff}{}",
        r#"{"sub": null}"#,
        r#"{"sub": {"sub": 1}, "iss": []}"#,
        r#"{"iss": "\u0000", "sub": "\u0000"}"#,
        &nested,
        &claims(ISSUER, ""),
        &claims(ISSUER, "not-a-uuid"),
        &claims(ISSUER, &format!("{subject}'; drop table users; --")),
        &claims(ISSUER, &ADA.id.to_string()),
        &claims("https://other.example/auth/v1", &subject),
        &claims(&format!("{ISSUER}/"), &subject),
        &claims(&ISSUER.to_uppercase(), &subject),
        &claims("", &subject),
        &format!(r#"{{"sub": "{subject}"}}"#),
        &format!(r#"{{"iss": null, "sub": "{subject}"}}"#),
        &format!(r#"[{{"iss": "{ISSUER}", "sub": "{subject}"}}]"#),
    ] {
        let shown: String = garbage.chars().take(60).collect();
        assert_eq!(uid(connection, garbage).await, None, "{shown}");
        for table in READABLE {
            let sql = format!("select from {table}");
            let seen = attempt(connection, "authenticated", Some(garbage), &sql).await;
            assert_eq!(seen, Outcome::Rows(0), "{shown}: {table}");
        }
    }
}

#[tokio::test]
async fn a_session_without_claims_has_no_uid() {
    let mut people = People::new().await;
    let unset: Option<uuid::Uuid> = sqlx::query_scalar("select app.uid()")
        .fetch_one(&mut people.connection)
        .await
        .expect("it never fails");
    assert_eq!(unset, None);
}

#[tokio::test]
async fn an_account_has_a_uid_only_if_it_is_confirmed_and_its_person_not_archived() {
    let mut people = People::new().await;
    let connection = &mut people.connection;
    for (change, expected) in [
        ("update accounts set confirmed_at = null", None),
        ("update accounts set confirmed_at = now()", Some(ADA.id)),
        ("update users set archived_at = now()", None),
        ("update users set archived_at = null", Some(ADA.id)),
        ("delete from accounts", None),
    ] {
        connection.execute(change).await.expect("changed");
        assert_eq!(uid(connection, &ADA.claims()).await, expected, "{change}");
    }
}

/// Older versions of `PostgREST` set each claim as a setting of its own. Such settings have no effect.
#[tokio::test]
async fn claims_in_separate_settings_are_ignored() {
    let mut people = People::new().await;
    let mut transaction = people.connection.begin().await.expect("begun");
    sqlx::query(
        "select set_config('role', 'authenticated', true),
           set_config('request.jwt.claim.sub', $1, true), set_config('request.jwt.claim.iss', $2, true)",
    )
    .bind(ADA.subject.to_string())
    .bind(ISSUER)
    .execute(&mut *transaction)
    .await
    .expect("set");
    let uid: Option<uuid::Uuid> = sqlx::query_scalar("select app.uid()")
        .fetch_one(&mut *transaction)
        .await
        .expect("it never fails");
    assert_eq!(uid, None);
}

/// `app.uid()` runs as its owner, and reads no table of the caller.
#[tokio::test]
async fn a_caller_cannot_shadow_the_accounts_table_that_uid_reads() {
    let mut people = People::new().await;
    let connection = &mut people.connection;
    for sql in [
        "create schema mine",
        "grant all on schema mine to authenticated",
        "create table mine.accounts (issuer text, subject uuid, user_id uuid, confirmed_at timestamptz)",
        "set search_path = mine, public",
    ] {
        connection.execute(sql).await.expect("prepared");
    }
    sqlx::query("insert into mine.accounts values ($1, $2, $3, now())")
        .bind(ISSUER)
        .bind(ADA.subject)
        .bind(BEN.id)
        .execute(&mut *connection)
        .await
        .expect("inserted");
    assert_eq!(uid(connection, &ADA.claims()).await, Some(ADA.id));
}

/// A token is valid for an hour, even if its session ends earlier, so `app.uid()` checks the session, too.
#[tokio::test]
async fn a_token_of_an_ended_or_another_session_has_no_uid() {
    let mut people = People::new().await;
    let connection = &mut people.connection;
    let read = "select from messages";
    let bens_session = ADA.claims_in("2");
    let unknown_session = ADA.claims_in("no such session");
    let no_session = claims(ISSUER, &ADA.subject.to_string());
    let null_session = serde_json::json!({"iss": ISSUER, "sub": ADA.subject, "session_id": null});
    for claims in [
        &bens_session,
        &unknown_session,
        &no_session,
        &null_session.to_string(),
    ] {
        assert_eq!(uid(connection, claims).await, None, "{claims}");
    }
    for (ending, undoing) in [
        ("ended_at = now()", "ended_at = null"),
        (
            "expires_at = now() - interval '1 s'",
            "expires_at = now() + interval '1 d'",
        ),
        (
            "idle_expires_at = now() - interval '1 s'",
            "idle_expires_at = now() + interval '1 d'",
        ),
        (
            "issuer = 'https://former.example'",
            "issuer = 'https://issuer.example/auth/v1'",
        ),
    ] {
        assert_eq!(
            uid(connection, &ADA.claims()).await,
            Some(ADA.id),
            "before {ending}"
        );
        let change = |set: &str| format!("update sessions set {set} where user_id = '{}'", ADA.id);
        sqlx::query(sqlx::AssertSqlSafe(change(ending)))
            .execute(&mut *connection)
            .await
            .expect("changed");
        assert_eq!(uid(connection, &ADA.claims()).await, None, "{ending}");
        let seen = attempt(connection, "authenticated", Some(&ADA.claims()), read).await;
        assert_eq!(seen, Outcome::Rows(0), "{ending}");
        // For `archety_user` the policies do not check the session, since the backend does.
        let seen = attempt(connection, "archety_user", Some(&ADA.claims()), read).await;
        assert_ne!(seen, Outcome::Rows(0), "{ending}");
        assert_eq!(
            uid(connection, &BEN.claims()).await,
            Some(BEN.id),
            "{ending}"
        );
        sqlx::query(sqlx::AssertSqlSafe(change(undoing)))
            .execute(&mut *connection)
            .await
            .expect("changed");
    }
}
