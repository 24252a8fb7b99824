//! `check --connect` asks the configured services, and changes nothing.

use supabase_stand_in as supabase;
use twilio_stand_in as twilio;

use super::*;
use crate::support::TestDatabase;

/// Runs `check --connect`. Returns the exit code and, for each service, its name, whether it is usable and what was
/// found.
fn check(variables: &[(&str, &str)]) -> (Option<i32>, Vec<(String, bool, String)>) {
    let variables = [variables, &[("APP_ENV", "development")]].concat();
    let run = tokio::task::block_in_place(|| {
        run_in_new_folder(&["check", "--connect", "--json"], &variables)
    });
    let shown = run.json();
    let list = shown["connect"].as_array().expect("a list");
    let checks = list.iter().map(|check| {
        let text = |key: &str| check[key].as_str().expect("text").to_owned();
        (text("name"), check["ok"] == true, text("found"))
    });
    (run.code, checks.collect())
}

/// Whether the service of this name is usable, and what was found.
fn outcome(checks: &[(String, bool, String)], name: &str) -> (bool, String) {
    let (_, is_usable, found) = checks
        .iter()
        .find(|check| check.0 == name)
        .expect("a check of that name");
    (*is_usable, found.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn check_reports_whether_the_database_is_usable() {
    let (code, found) = check(&[]);
    assert_eq!(code, Some(0));
    let (is_usable, finding) = outcome(&found, "database");
    assert!(
        is_usable && finding.contains("migration(s) to run"),
        "{finding}"
    );
    let (code, found) = check(&[("DATABASE_URL", "postgres://bob:hunter2@127.0.0.1:1/a")]);
    assert_eq!(code, Some(1));
    let (is_usable, finding) = outcome(&found, "database");
    assert!(
        !is_usable && finding.contains("127.0.0.1:1") && !finding.contains("hunter2"),
        "{finding}"
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
async fn the_twilio_check_names_a_wrong_setting_and_an_unreachable_server_and_sends_no_message() {
    let settings = twilio::Settings::default();
    let service = twilio::StandIn::start(settings).await.expect("a port");
    let settings = service.settings();
    let url = service.url();
    let check_with = |sid: &str, token: &str, url: &str| {
        check(&[
            ("TWILIO_VERIFY_SERVICE_SID", sid),
            ("TWILIO_ACCOUNT_SID", &settings.account_sid),
            ("TWILIO_AUTH_TOKEN", token),
            ("TWILIO_BASE_URL", url),
        ])
    };
    let (code, found) = check_with(&settings.service_sid, &settings.auth_token, &url);
    assert_eq!(
        (code, outcome(&found, "twilio").0),
        (Some(0), true),
        "{found:?}"
    );
    for (sid, token, url, expected) in [
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
        let (code, found) = check_with(sid, token, url);
        let (is_usable, finding) = outcome(&found, "twilio");
        assert_eq!((code, is_usable), (Some(1), false));
        assert!(finding.contains(expected), "{finding}");
    }
    assert_eq!(service.total_sends(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_supabase_check_fails_without_a_server_and_names_a_wrong_service_key() {
    let signup_disabled = supabase::Settings {
        disable_signup: true,
        ..supabase::Settings::default()
    };
    let project = supabase::StandIn::start(signup_disabled)
        .await
        .expect("a port");
    let (anon, service) = (project.anon_key(), project.service_key());
    let check_with = |anon: &str, service: &str, url: &str| {
        check(&[
            ("SUPABASE_URL", url),
            ("SUPABASE_ANON_KEY", anon),
            ("SUPABASE_SERVICE_KEY", service),
            ("SUPABASE_PASSWORD_KEYS", STRONG_SECRET),
        ])
    };
    let url = project.hosted_url();
    let (code, found) = check_with(anon, service, &url);
    assert_eq!(
        (code, outcome(&found, "supabase").0),
        (Some(0), true),
        "{found:?}"
    );
    let (code, found) = check_with(anon, service, "http://127.0.0.1:1");
    assert_eq!(
        (code, outcome(&found, "supabase").0),
        (Some(1), false),
        "{found:?}"
    );
    let wrong = format!("{service}x");
    let (_, found) = check_with(anon, &wrong, &url);
    assert!(
        outcome(&found, "supabase")
            .1
            .contains("SUPABASE_SERVICE_KEY"),
        "{found:?}"
    );
}
