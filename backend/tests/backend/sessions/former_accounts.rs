//! Accounts at the provider that was used before `identity switch`: they are deleted once the operator gives the old
//! credentials to `identity finish-former`.

use archety_backend::config::{ApiKey, Environment, IdentityConfig, Retention, SupabaseConfig};
use archety_backend::identity::switch_identity;
use archety_backend::jobs::JobOutcome;
use rstest::rstest;
use supabase_stand_in::{Fault, Settings, StandIn};
use uuid::Uuid;

use super::support::{ADA, BOB};
use super::switched::{SECRET, Switched, later};
use crate::support::{Engine, Postgres, Sqlite};

const DELETE: &str = "DELETE /auth/v1/admin/users";
const NEW_SECRET: &str = "the session secret of the tests 0002";

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_is_set_aside_until_the_operator_finishes_it_with_the_old_credentials(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let switched = Switched::new(engine).await;
    assert_eq!(
        switched.accounts_and_deletions(),
        Some((2, 0)),
        "{}",
        switched.kind()
    );
    switched
        .finish_former(&[])
        .expect(0, &["no account is left to delete"]);
    let output = switched.delete(ADA);
    output.expect(
        0,
        &[
            "1 person(s) deleted",
            "1 account(s) at a former",
            "identity finish-former",
        ],
    );
    assert_eq!(
        switched.accounts_and_deletions(),
        Some((1, 1)),
        "before a worker takes the job"
    );
    assert_eq!(
        switched.do_jobs(&switched.local).await,
        [JobOutcome::SetAside],
        "{}",
        switched.kind()
    );
    let store = &switched.pair.base.store;
    assert_eq!(
        store.unfinished_jobs().await.expect("a store"),
        0,
        "a job that is set aside waits for no worker"
    );
    store
        .clean(&Retention::default(), later())
        .await
        .expect("cleaned");
    assert_eq!(switched.do_jobs(&switched.local).await, []);
    assert_eq!(
        switched.accounts_and_deletions(),
        Some((1, 1)),
        "{}",
        switched.kind()
    );
    switched.run(&["identity", "former"]).expect(
        0,
        &[
            &switched.provider().issuer(),
            "1 account(s) of people, 1 account(s) of deleted people",
        ],
    );

    // Without the credentials of the former project the command is refused.
    let now = [("SUPABASE_ISSUER", "")];
    switched
        .run_with(&now, &["identity", "finish-former", "--yes"], "")
        .expect(
            78,
            &[
                "\n  FORMER_SUPABASE_URL: ",
                "\n  FORMER_SUPABASE_SERVICE_KEY: ",
            ],
        );
    let url = switched.provider().hosted_url();
    let old = [
        ("FORMER_SUPABASE_URL", url.as_str()),
        (
            "FORMER_SUPABASE_SERVICE_KEY",
            switched.provider().service_key(),
        ),
    ];
    let without_yes = switched.run_with(&old, &["identity", "finish-former"], "");
    without_yes.expect(1, &["would delete 1 account(s)", "--yes"]);
    assert_eq!(
        switched.pair.request_count(DELETE),
        0,
        "{}",
        switched.kind()
    );
    assert!(switched.project_has(switched.ada));

    switched
        .finish_former(&[])
        .expect(0, &["1 account(s) deleted"]);
    assert!(
        !switched.project_has(switched.ada) && switched.project_has(switched.bob),
        "{}",
        switched.kind()
    );
    assert_eq!(
        switched.accounts_and_deletions(),
        Some((1, 0)),
        "{}",
        switched.kind()
    );
    assert_eq!(
        switched.pair.base.number("select count(*) from jobs").await,
        0
    );
    switched
        .finish_former(&[])
        .expect(0, &["no account is left to delete"]);
    assert_eq!(
        switched.pair.request_count(DELETE),
        1,
        "{}",
        switched.kind()
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_another_project_finish_no_deletion(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let other = StandIn::start(Settings::default()).await.expect("a port");
    let other_url = other.hosted_url();
    let switched = Switched::new(engine).await;
    switched.delete(ADA).expect(0, &[]);
    let issuer = switched.provider().issuer();
    let url_of_other = ("FORMER_SUPABASE_URL", other_url.as_str());
    let issuer = ("FORMER_SUPABASE_ISSUER", issuer.as_str());
    switched
        .finish_former(&[url_of_other])
        .expect(78, &["no account is left to delete at", issuer.1]);
    assert_eq!(
        other.requests().all().len(),
        0,
        "the other project gets no request"
    );
    // The other project has none of the accounts, so it would report each of them as deleted.
    let key_of_other = ("FORMER_SUPABASE_SERVICE_KEY", other.service_key());
    switched
        .finish_former(&[url_of_other, key_of_other, issuer])
        .expect(78, &["another one"]);
    assert_eq!(other.requests().count("DELETE"), 0);
    let wrong = (
        "FORMER_SUPABASE_SERVICE_KEY",
        "sb_secret_of_another_project",
    );
    switched
        .finish_former(&[wrong])
        .expect(78, &["does not accept FORMER_SUPABASE_SERVICE_KEY"]);
    let anon = (
        "FORMER_SUPABASE_SERVICE_KEY",
        switched.provider().anon_key(),
    );
    switched
        .finish_former(&[anon])
        .expect(78, &["anon or publishable key"]);
    assert!(switched.project_has(switched.ada));
    assert_eq!(
        switched.accounts_and_deletions(),
        Some((1, 1)),
        "{}",
        switched.kind()
    );
    // The right project is accepted under another URL only with its issuer.
    let localhost_url = switched
        .provider()
        .hosted_url()
        .replace("127.0.0.1", "localhost");
    switched
        .finish_former(&[("FORMER_SUPABASE_URL", &localhost_url)])
        .expect(78, &["no account is left to delete at"]);
    let with_issuer = [("FORMER_SUPABASE_URL", localhost_url.as_str()), issuer];
    switched
        .finish_former(&with_issuer)
        .expect(0, &["1 account(s) deleted"]);
    assert!(!switched.project_has(switched.ada), "{}", switched.kind());
    other.requests().clear();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn deletions_at_an_unavailable_provider_wait_and_are_finished_by_a_later_command(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let switched = Switched::new(engine).await;
    switched.delete(ADA).expect(0, &[]);
    switched.delete(BOB).expect(0, &[]);
    let issuer = switched.provider().issuer();
    for n in 1..=4 {
        switched
            .enqueue_in_old_format(n, &issuer, Uuid::from_u128(n))
            .await;
    }
    switched
        .provider()
        .faults()
        .always(DELETE, Fault::html(502));
    switched.finish_former(&[]).expect(
        1,
        &[
            "0 account(s) deleted",
            "does not answer",
            "6 account(s) are still to be deleted",
        ],
    );
    assert_eq!(
        switched.pair.request_count(DELETE),
        3,
        "the command stops after three failures"
    );
    assert_eq!(
        switched.accounts_and_deletions(),
        Some((0, 6)),
        "{}",
        switched.kind()
    );
    switched.provider().faults().clear();
    // Two deletions take effect but lose their answers. The command continues with the others.
    switched
        .provider()
        .faults()
        .times(2, DELETE, Fault::DropAfter);
    switched.finish_former(&[]).expect(
        1,
        &[
            "4 account(s) deleted",
            "2 account(s) are still to be deleted",
        ],
    );
    assert_eq!(
        switched.accounts_and_deletions(),
        Some((0, 2)),
        "{}",
        switched.kind()
    );
    switched
        .finish_former(&[])
        .expect(0, &["2 account(s) deleted"]);
    assert!(
        !switched.project_has(switched.ada) && !switched.project_has(switched.bob),
        "{}",
        switched.kind()
    );
    assert_eq!(
        switched.accounts_and_deletions(),
        None,
        "{}",
        switched.kind()
    );
    switched
        .run(&["identity", "former"])
        .expect(0, &["no account is left at a former"]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn deletions_that_the_previous_release_gave_up_run_after_a_switch_back(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let switched = Switched::new(engine).await;
    let store = &switched.pair.base.store;
    let supabase = switched.provider().issuer();
    let own = store
        .own_issuer(Uuid::nil(), switched.local.clock.now())
        .await;
    let own = own.expect("a name");
    switched
        .enqueue_in_old_format(1, &supabase, switched.ada)
        .await;
    switched.make_dead_letter().await;
    switched.enqueue_in_old_format(2, &own, Uuid::nil()).await;
    switched.make_dead_letter().await;
    assert_eq!(
        switched.accounts_and_deletions(),
        Some((2, 1)),
        "{}",
        switched.kind()
    );
    let sorted = switched.local.sort_account_deletions(later()).await;
    sorted.expect("a store");
    let kept = "select count(*) from jobs where dead_at is null and kind = 'delete_former_account'";
    assert_eq!(
        switched.pair.base.number(kept).await,
        1,
        "{}",
        switched.kind()
    );
    // Retention deletes the dead letter of the provider in use.
    let removed = store.clean(&Retention::default(), later()).await;
    assert!(removed.expect("cleaned") >= 1, "{}", switched.kind());
    assert_eq!(
        switched.pair.base.number("select count(*) from jobs").await,
        1
    );
    assert_eq!(
        switched.accounts_and_deletions(),
        Some((2, 1)),
        "{}",
        switched.kind()
    );

    // After the switch back, `serve` runs the deletions at the project. The local issuer has no accounts to delete.
    let now = switched.local.clock.now();
    let back = IdentityConfig::Supabase(SupabaseConfig {
        issuer: supabase.clone(),
        url: switched.provider().hosted_url().parse().expect("a URL"),
        anon_key: ApiKey::Legacy("".into()),
        service_key: ApiKey::Legacy("".into()),
        password_keys: Vec::new(),
        environment: Environment::Development,
    });
    switch_identity(&back, store, now).await.expect("a store");
    switched.enqueue_in_old_format(3, &own, Uuid::nil()).await;
    switched.make_dead_letter().await;
    let app = switched.pair.first();
    let sorted = app.sort_account_deletions(later()).await;
    sorted.expect("a store");
    assert_eq!(
        switched.do_jobs(app).await,
        [JobOutcome::Done; 2],
        "{}",
        switched.kind()
    );
    assert!(
        !switched.project_has(switched.ada) && switched.project_has(switched.bob),
        "{}",
        switched.kind()
    );
    assert_eq!(
        switched.pair.request_count(DELETE),
        1,
        "{}",
        switched.kind()
    );
    assert_eq!(
        switched.pair.base.number("select count(*) from jobs").await,
        0
    );
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_sealed_with_a_removed_key_waits_until_the_keys_are_rotated(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let switched = Switched::new(engine).await;
    switched.delete(ADA).expect(0, &[]);
    assert_eq!(
        switched.do_jobs(&switched.local).await,
        [JobOutcome::SetAside],
        "{}",
        switched.kind()
    );
    let new = ("SESSION_SECRET", NEW_SECRET);
    let output = switched.run_with(&[new], &["identity", "former"], "");
    output.expect(0, &["1 deletion(s) were sealed with a key"]);
    switched
        .finish_former(&[new])
        .expect(1, &["1 deletion(s) were sealed with a key"]);
    let both = format!("{NEW_SECRET},{SECRET}");
    let rotated = switched.run_with(&[("SESSION_SECRET", &both)], &["keys", "rotate"], "");
    rotated.expect(0, &[]);
    switched
        .finish_former(&[new])
        .expect(0, &["1 account(s) deleted"]);
    assert!(!switched.project_has(switched.ada), "{}", switched.kind());
}
