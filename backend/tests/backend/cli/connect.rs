//! `check --connect` asks the configured services, and changes nothing.

use supabase_stand_in as supabase;
use twilio_stand_in as twilio;

use super::*;
use crate::support::TestDatabase;

/// Runs `check --connect`: the exit code, and each service's name, state and finding.
fn check(variables: &[(&str, &str)]) -> (Option<i32>, Vec<(String, bool, String)>) {
    let variables = [variables, &[("APP_ENV", "development")]].concat();
    let run = tokio::task::block_in_place(|| run(&["check", "--connect", "--json"], &variables));
    let shown = run.json();
    let list = shown["connect"].as_array().expect("a list");
    let found = list.iter().map(|one| {
        let text = |key: &str| one[key].as_str().expect("text").to_owned();
        (text("name"), one["ok"] == true, text("found"))
    });
    (run.code, found.collect())
}

fn outcome(checks: &[(String, bool, String)], name: &str) -> (bool, String) {
    let found = checks
        .iter()
        .find(|one| one.0 == name)
        .expect("a check of that name");
    (found.1, found.2.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn check_reports_whether_the_database_is_usable() {
    let (code, found) = check(&[]);
    assert_eq!(code, Some(0));
    let (is_usable, what) = outcome(&found, "database");
    assert!(is_usable && what.contains("migration(s) to run"), "{what}");
    let (code, found) = check(&[("DATABASE_URL", "postgres://bob:hunter2@127.0.0.1:1/a")]);
    assert_eq!(code, Some(1));
    let (is_usable, what) = outcome(&found, "database");
    assert!(
        !is_usable && what.contains("127.0.0.1:1") && !what.contains("hunter2"),
        "{what}"
    );
    let database = TestDatabase::migrated().await;
    let url = database.url();
    let (code, found) = check(&[("DATABASE_URL", &url)]);
    assert_eq!(
        (code, outcome(&found, "database").0),
        (Some(0), true),
        "{found:?}"
    );
    database
        .run(&format!(
            "alter database {} set default_transaction_read_only = on",
            database.name()
        ))
        .await;
    let (code, found) = check(&[("DATABASE_URL", &url)]);
    assert_eq!(code, Some(1));
    assert!(
        outcome(&found, "database").1.contains("read-only"),
        "{found:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_leaves_an_empty_database_empty() {
    let database = TestDatabase::empty().await;
    let (code, found) = check(&[("DATABASE_URL", &database.url())]);
    assert_eq!(code, Some(0), "{found:?}");
    let mut connection = database.connect().await;
    let tables: i64 =
        sqlx::query_scalar("select count(*) from pg_tables where schemaname = 'public'")
            .fetch_one(&mut connection)
            .await
            .expect("a count");
    assert_eq!(tables, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_twilio_check_calls_twilio_and_sends_no_message() {
    let settings = twilio::Settings::default();
    let service = twilio::StandIn::start(settings).await.expect("a port");
    let settings = service.settings();
    let url = service.url();
    let with = |sid: &str, token: &str, url: &str| {
        check(&[
            ("TWILIO_VERIFY_SERVICE_SID", sid),
            ("TWILIO_ACCOUNT_SID", &settings.account_sid),
            ("TWILIO_AUTH_TOKEN", token),
            ("TWILIO_BASE_URL", url),
        ])
    };
    let (code, found) = with(&settings.service_sid, &settings.auth_token, &url);
    assert_eq!(
        (code, outcome(&found, "twilio").0),
        (Some(0), true),
        "{found:?}"
    );
    for (sid, token, url, says) in [
        (
            &settings.service_sid[..],
            "0000000000000000",
            &url[..],
            "TWILIO_AUTH_TOKEN",
        ),
        (
            "VA00000000000000000000000000000000",
            &settings.auth_token,
            &url[..],
            "TWILIO_VERIFY_SERVICE_SID",
        ),
        (
            &settings.service_sid,
            &settings.auth_token,
            "http://127.0.0.1:1",
            "does not answer",
        ),
    ] {
        let (code, found) = with(sid, token, url);
        let (is_usable, what) = outcome(&found, "twilio");
        assert_eq!((code, is_usable), (Some(1), false));
        assert!(what.contains(says), "{what}");
    }
    assert_eq!(service.total_sends(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_supabase_check_calls_the_project_and_reports_a_wrong_service_key() {
    let closed = supabase::Settings {
        disable_signup: true,
        ..supabase::Settings::default()
    };
    let project = supabase::StandIn::start(closed).await.expect("a port");
    let (anon, service) = (project.anon_key(), project.service_key());
    let with = |anon: &str, service: &str, url: &str| {
        check(&[
            ("SUPABASE_URL", url),
            ("SUPABASE_ANON_KEY", anon),
            ("SUPABASE_SERVICE_KEY", service),
            ("SUPABASE_PASSWORD_KEYS", STRONG),
        ])
    };
    let url = project.hosted_url();
    let (code, found) = with(anon, service, &url);
    assert_eq!(
        (code, outcome(&found, "supabase").0),
        (Some(0), true),
        "{found:?}"
    );
    let (code, found) = with(anon, service, "http://127.0.0.1:1");
    assert_eq!(
        (code, outcome(&found, "supabase").0),
        (Some(1), false),
        "{found:?}"
    );
    let wrong = format!("{service}x");
    let (_, found) = with(anon, &wrong, &url);
    assert!(
        outcome(&found, "supabase")
            .1
            .contains("SUPABASE_SERVICE_KEY"),
        "{found:?}"
    );
}
