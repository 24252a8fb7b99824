//! A database after `identity switch`, and commands of the operator that the binary runs while replicas have
//! the database open.

use std::time::Duration;

use archety_backend::clock::{Clock, Timestamp};
use archety_backend::config::{DatabaseKind, IdentityConfig};
use archety_backend::identity::switch_identity;
use archety_backend::jobs::JobOutcome;
use archety_backend::keyring::Keyring;
use archety_backend::store::jobs::NewJob;
use serde_json::json;
use supabase_stand_in::StandIn;
use test_process::Run;
use uuid::Uuid;

use super::support::{ADA, BOB, Pair};
use crate::cli::backend;
use crate::support::jobs::{claim, give_up};
use crate::support::{Engine, TestApp};

pub(crate) const SECRET: &str = "the session secret of the tests 0001";
const LOCAL: [(&str, &str); 5] = [
    ("IDENTITY", "local"),
    ("SUPABASE_URL", ""),
    ("SUPABASE_ANON_KEY", ""),
    ("SUPABASE_SERVICE_KEY", ""),
    ("SUPABASE_PASSWORD_KEYS", ""),
];

/// A database that was switched from a Supabase project to local identities. Ada and Bob have accounts at the
/// project.
pub(crate) struct Switched {
    pub(crate) pair: Pair,
    pub(crate) local: TestApp,
    pub(crate) ada: Uuid,
    pub(crate) bob: Uuid,
}

impl Switched {
    pub(crate) async fn new(engine: Engine) -> Self {
        let pair = Pair::supabase(engine).await;
        let id = |text: String| text.parse().expect("an id");
        let ada = id(pair.first().signed_in(ADA).await.user_id);
        let bob = id(pair.first().signed_in(BOB).await.user_id);
        let now = pair.first().clock.now();
        let switched = switch_identity(&IdentityConfig::Local, &pair.base.store, now).await;
        assert_eq!(switched.expect("a store"), 2);
        let local = pair.another(&LOCAL).await;
        Self {
            pair,
            local,
            ada,
            bob,
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        self.pair.kind()
    }

    pub(crate) fn provider(&self) -> &StandIn {
        self.pair.provider()
    }

    pub(crate) fn project_has(&self, person: Uuid) -> bool {
        self.provider().person(person).is_some()
    }

    /// Runs the command with the current settings, overridden by `variables`.
    pub(crate) fn run_with(
        &self,
        variables: &[(&str, &str)],
        arguments: &[&str],
        input: &str,
    ) -> Run {
        let database = match (&self.pair.base.database, &self.pair.base.config.kind) {
            (Some(database), _) => database.url(),
            (None, DatabaseKind::Sqlite { path }) => format!("sqlite://{}", path.display()),
            (None, DatabaseKind::Postgres { .. }) => panic!("a database of its own"),
        };
        let mut command = backend(&std::env::temp_dir(), &[]);
        command
            .env("APP_ENV", "development")
            .env("IDENTITY", "local")
            .env("SESSION_SECRET", SECRET)
            .env("DATABASE_URL", database)
            .envs(variables.iter().copied())
            .args(arguments);
        let run = Run::with_input(&mut command, input);
        for private in [ADA, BOB, &self.ada.to_string(), &self.bob.to_string()] {
            assert!(!run.out.contains(private) && !run.err.contains(private));
        }
        run
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(&[], arguments, "")
    }

    /// Runs `identity finish-former --yes` with the project's old credentials, overridden by `overrides`.
    pub(crate) fn finish_former(&self, overrides: &[(&str, &str)]) -> Run {
        let url = self.provider().hosted_url();
        let mut variables = vec![
            ("FORMER_SUPABASE_URL", url.as_str()),
            ("FORMER_SUPABASE_SERVICE_KEY", self.provider().service_key()),
        ];
        variables.extend(overrides);
        self.run_with(&variables, &["identity", "finish-former", "--yes"], "")
    }

    pub(crate) fn delete(&self, phone: &str) -> Run {
        self.run_with(&[], &["person", "delete", "--yes"], phone)
    }

    /// The numbers of accounts and of waiting deletions at the project; `None` if the project is not listed.
    pub(crate) fn accounts_and_deletions(&self) -> Option<(u64, u64)> {
        let run = self.run(&["identity", "former", "--json"]);
        run.expect_code(0);
        let list = run.json();
        let list = list.as_array().expect("a list");
        let issuer = self.provider().issuer();
        assert!(list.len() <= 1, "{run:?}");
        let entry = list.first()?;
        assert_eq!(entry["issuer"], issuer);
        let number = |key: &str| entry[key].as_u64().expect("a number");
        Some((number("accounts"), number("deletions_waiting")))
    }

    /// Runs all jobs of `app`, at a time when the jobs that commands enqueued are due.
    pub(crate) async fn do_jobs(&self, app: &TestApp) -> Vec<JobOutcome> {
        let mut outcomes = Vec::new();
        loop {
            match app.jobs.step(later()).await.expect("a step") {
                None => return outcomes,
                Some(outcome) => outcomes.push(outcome),
            }
        }
    }

    /// Enqueues the deletion of an account at `issuer`, in the format of the previous release.
    pub(crate) async fn enqueue_in_old_format(&self, n: u128, issuer: &str, subject: Uuid) {
        let payload = json!({ "issuer": issuer, "subject": subject }).to_string();
        let keyring = Keyring::parse(SECRET).expect("a key");
        let now = self.local.clock.now();
        let payload = keyring.seal("job", payload.as_bytes());
        let job = NewJob::new(Uuid::from_u128(n), "delete_account", payload, now);
        let store = &self.pair.base.store;
        store.enqueue(&job, now).await.expect("a store");
    }

    /// Makes the due job a dead letter, as the previous release did.
    pub(crate) async fn make_dead_letter(&self) {
        let store = &self.pair.base.store;
        let now = self.local.clock.now();
        let job = claim(store, &["delete_account"], now).await.expect("a job");
        give_up(store, &job, now).await;
    }
}

/// Ten years from now by the system clock, by which commands of the binary enqueue jobs.
pub(crate) fn later() -> Timestamp {
    Clock::System.now().plus(Duration::from_hours(24 * 3650))
}
