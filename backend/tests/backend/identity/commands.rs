//! The commands `identity switch` and `keys rotate` of the binary, and what `serve` logs about the identity
//! provider.

use std::path::Path;
use std::process::Stdio;

use archety_backend::clock::Clock;
use archety_backend::config::{DatabaseConfig, DatabaseKind, Environment};
use archety_backend::store::{Pools, Store};
use supabase_stand_in::{Fault, Settings, StandIn};
use test_process::Running;

use super::support::{PASSWORD_KEY, new_user};
use crate::cli::{backend, run_in};

/// The log that `serve` writes until it listens.
fn log_of_start(folder: &Path, variables: &[(&str, &str)]) -> String {
    let mut command = backend(folder, variables);
    command
        .env("PORT", "0")
        .arg("serve")
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut running = Running::start(&mut command).expect("the binary runs");
    running.wait_for("address=");
    running.log().to_owned()
}

async fn open(folder: &Path) -> Store {
    let config = DatabaseConfig::from(DatabaseKind::Sqlite {
        path: folder.join("archety.db"),
    });
    let now = Clock::System.now();
    let store = Store::open(&config, Environment::Development, now).await;
    store.expect("no process has the database open")
}

/// Kind and outcome of each audit event in the folder's database, the oldest first.
async fn events(folder: &Path) -> Vec<(String, String)> {
    const SQL: &str = "select kind, outcome from auth_events order by occurred_at";
    let store = open(folder).await;
    let Pools::Sqlite { readers, .. } = store.pools() else {
        panic!("the store is SQLite");
    };
    let events = sqlx::query_as(SQL).fetch_all(readers).await.expect("rows");
    store.close().await;
    events
}

/// Creates a user with an account in the folder's database.
async fn create_account(folder: &Path) {
    let store = open(folder).await;
    let now = Clock::System.now();
    let ada = new_user(&store, 1, now).await;
    let account = store.find_or_create_account(ada.user_id, "an issuer", ada.user_id, now);
    account
        .await
        .expect("the store answers")
        .expect("the subject is free");
    store.close().await;
}

fn supabase(project: &StandIn) -> Vec<(&'static str, String)> {
    vec![
        ("SUPABASE_URL", project.hosted_url()),
        ("SUPABASE_ISSUER", project.issuer()),
        ("PORT", "0".to_owned()),
        ("APP_ENV", "development".to_owned()),
        ("SUPABASE_ANON_KEY", project.anon_key().to_owned()),
        ("SUPABASE_SERVICE_KEY", project.service_key().to_owned()),
        ("SUPABASE_PASSWORD_KEYS", PASSWORD_KEY.to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_changes_its_issuer_only_by_the_switch_command() {
    let project = StandIn::start(Settings::default()).await.expect("a port");
    let settings = supabase(&project);
    let variables: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();

    let logged = log_of_start(folder, &[]);
    assert!(
        logged.contains("WARN") && logged.contains("Supabase not enabled"),
        "{logged}"
    );
    create_account(folder).await;
    let refused = run_in(folder, &variables, &["serve"]);
    refused.expect_code(78);
    refused.expect_err("archety-backend identity switch");

    let refused = run_in(folder, &variables, &["identity", "switch"]);
    refused.expect_code(1);
    refused.expect_err("--yes");
    let switch = run_in(folder, &variables, &["identity", "switch", "--yes"]);
    switch.expect_code(0);
    switch.expect_err(&project.issuer());
    let switched = ("identity_switch".to_owned(), "switched".to_owned());
    assert_eq!(
        events(folder).await,
        [switched],
        "only the command with --yes switches"
    );

    let logged = log_of_start(folder, &variables);
    assert!(
        logged.contains("INFO") && logged.contains("Supabase client initialized"),
        "{logged}"
    );
    assert!(logged.contains("disable new sign-ups"), "{logged}");
    for secret in [project.service_key(), project.anon_key(), PASSWORD_KEY] {
        assert!(!logged.contains(secret));
    }
    // Without the configuration of Supabase, `serve` refuses the database instead of using local identities.
    let refused = run_in(folder, &[("PORT", "0")], &["serve"]);
    refused.expect_code(78);
    refused.expect_err(&project.issuer());
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_starts_while_the_project_does_not_answer() {
    let project = StandIn::start(Settings::default()).await.expect("a port");
    project.faults().always("/settings", Fault::html(502));
    let settings = supabase(&project);
    let variables: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let logged = log_of_start(folder.path(), &variables);
    assert!(logged.contains("Supabase does not answer"), "{logged}");
    assert!(!logged.contains("Supabase client initialized"), "{logged}");
    assert!(logged.contains("listening"), "{logged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_whose_phone_provider_is_off_is_not_logged_as_initialized() {
    let off = Settings {
        phone_provider: false,
        ..Settings::default()
    };
    let project = StandIn::start(off).await.expect("a port");
    let settings = supabase(&project);
    let variables: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let logged = log_of_start(folder.path(), &variables);
    assert!(logged.contains("the phone provider is off"), "{logged}");
    assert!(!logged.contains("Supabase client initialized"), "{logged}");
}

#[tokio::test]
async fn signing_keys_rotate_and_are_encrypted_with_the_newest_session_secret() {
    const OLD: &str = "0123456789abcdef0123456789abcdef";
    const NEW: &str = "fedcba9876543210fedcba9876543210";
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    let rotate = |secret: &str| {
        let variables = [("SESSION_SECRET", secret)];
        run_in(folder, &variables, &["keys", "rotate"])
    };
    for _ in 0..2 {
        rotate(OLD).expect_code(0);
    }
    let rotated = ("keys_rotate".to_owned(), "rotated".to_owned());
    assert_eq!(events(folder).await, [rotated.clone(), rotated]);
    let both = format!("{NEW},{OLD}");
    let refused = rotate(NEW);
    refused.expect_code(78);
    refused.expect_err("SESSION_SECRET");
    rotate(&both).expect_code(0);
    // The old secret is not needed any more.
    rotate(NEW).expect_code(0);
}
