//! Accounts at the provider used before `identity switch`: their deletion waits for the old credentials.

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
async fn a_deletion_waits_until_the_old_credentials_finish_it(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let it = Switched::new(engine).await;
    assert_eq!(it.listed(), Some((2, 0)), "{}", it.kind());
    it.finish(&[]).expect(0, &["no deletion waits"]);
    let said = it.delete(ADA);
    said.expect(
        0,
        &[
            "1 person(s) deleted",
            "1 account(s) at a former",
            "identity finish-former",
        ],
    );
    assert_eq!(it.listed(), Some((1, 1)), "before serve has seen it");
    assert_eq!(
        it.work(&it.local).await,
        [JobOutcome::SetAside],
        "{}",
        it.kind()
    );
    let store = &it.pair.base.store;
    assert_eq!(
        store.waiting_jobs().await.expect("a store"),
        0,
        "for no worker"
    );
    store
        .clean(&Retention::default(), later())
        .await
        .expect("cleaned");
    assert_eq!(it.work(&it.local).await, []);
    assert_eq!(it.listed(), Some((1, 1)), "{}", it.kind());
    it.run(&["identity", "former"]).expect(
        0,
        &[
            &it.provider().issuer(),
            "1 account(s) of people, 1 deletion(s) waiting",
        ],
    );

    // Answers of the currently configured provider do not finish the deletion.
    let now = [("SUPABASE_ISSUER", "")];
    it.run_with(&now, &["identity", "finish-former", "--yes"], "")
        .expect(
            78,
            &[
                "\n  FORMER_SUPABASE_URL: ",
                "\n  FORMER_SUPABASE_SERVICE_KEY: ",
            ],
        );
    let url = it.provider().hosted_url();
    let old = [
        ("FORMER_SUPABASE_URL", url.as_str()),
        ("FORMER_SUPABASE_SERVICE_KEY", it.provider().service_key()),
    ];
    let asked = it.run_with(&old, &["identity", "finish-former"], "");
    asked.expect(1, &["would delete 1 account(s)", "--yes"]);
    assert_eq!(it.pair.asked(DELETE), 0, "{}", it.kind());
    assert!(it.has(it.ada));

    it.finish(&[]).expect(0, &["1 account(s) deleted"]);
    assert!(!it.has(it.ada) && it.has(it.bob), "{}", it.kind());
    assert_eq!(it.listed(), Some((1, 0)), "{}", it.kind());
    assert_eq!(it.pair.base.number("select count(*) from jobs").await, 0);
    it.finish(&[]).expect(0, &["no deletion waits"]);
    assert_eq!(it.pair.asked(DELETE), 1, "{}", it.kind());
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_another_project_finish_no_deletion(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let other = StandIn::start(Settings::default()).await.expect("a port");
    let other_url = other.hosted_url();
    let it = Switched::new(engine).await;
    it.delete(ADA).expect(0, &[]);
    let issuer = it.provider().issuer();
    let there = ("FORMER_SUPABASE_URL", other_url.as_str());
    let issuer = ("FORMER_SUPABASE_ISSUER", issuer.as_str());
    it.finish(&[there])
        .expect(78, &["no deletion waits at", issuer.1]);
    assert_eq!(other.requests().all().len(), 0, "it was asked nothing");
    // The other project has none of the accounts, so it would report each of them as deleted.
    let its = ("FORMER_SUPABASE_SERVICE_KEY", other.service_key());
    it.finish(&[there, its, issuer])
        .expect(78, &["another one"]);
    assert_eq!(other.requests().count("DELETE"), 0);
    let wrong = (
        "FORMER_SUPABASE_SERVICE_KEY",
        "sb_secret_of_another_project",
    );
    it.finish(&[wrong])
        .expect(78, &["does not accept FORMER_SUPABASE_SERVICE_KEY"]);
    let anon = ("FORMER_SUPABASE_SERVICE_KEY", it.provider().anon_key());
    it.finish(&[anon]).expect(78, &["anon or publishable key"]);
    assert!(it.has(it.ada));
    assert_eq!(it.listed(), Some((1, 1)), "{}", it.kind());
    // The right project under another URL.
    let near = it.provider().hosted_url().replace("127.0.0.1", "localhost");
    it.finish(&[("FORMER_SUPABASE_URL", &near)])
        .expect(78, &["no deletion waits at"]);
    let near = [("FORMER_SUPABASE_URL", near.as_str()), issuer];
    it.finish(&near).expect(0, &["1 account(s) deleted"]);
    assert!(!it.has(it.ada), "{}", it.kind());
    other.requests().clear();
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn no_deletion_is_lost_while_the_provider_is_unavailable(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let it = Switched::new(engine).await;
    it.delete(ADA).expect(0, &[]);
    it.delete(BOB).expect(0, &[]);
    let issuer = it.provider().issuer();
    for n in 1..=4 {
        it.insert(n, &issuer, Uuid::from_u128(n)).await;
    }
    it.provider().faults().always(DELETE, Fault::html(502));
    it.finish(&[]).expect(
        1,
        &[
            "0 account(s) deleted",
            "does not answer",
            "6 deletion(s) wait on",
        ],
    );
    assert_eq!(it.pair.asked(DELETE), 3, "it is not asked for each of them");
    assert_eq!(it.listed(), Some((0, 6)), "{}", it.kind());
    it.provider().faults().clear();
    // Deleted, but the answer is lost; the others go on.
    it.provider().faults().times(2, DELETE, Fault::DropAfter);
    it.finish(&[])
        .expect(1, &["4 account(s) deleted", "2 deletion(s) wait on"]);
    assert_eq!(it.listed(), Some((0, 2)), "{}", it.kind());
    it.finish(&[]).expect(0, &["2 account(s) deleted"]);
    assert!(!it.has(it.ada) && !it.has(it.bob), "{}", it.kind());
    assert_eq!(it.listed(), None, "{}", it.kind());
    it.run(&["identity", "former"])
        .expect(0, &["nothing is left"]);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_of_the_previous_release_are_revived_and_run_after_a_switch_back(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let it = Switched::new(engine).await;
    let store = &it.pair.base.store;
    let supabase = it.provider().issuer();
    let own = store.own_issuer(Uuid::nil(), it.local.clock.now()).await;
    let own = own.expect("a name");
    it.insert(1, &supabase, it.ada).await;
    it.dead_letter().await;
    it.insert(2, &own, Uuid::nil()).await;
    it.dead_letter().await;
    assert_eq!(it.listed(), Some((2, 1)), "{}", it.kind());
    let sorted = it.local.sort_account_deletions(later()).await;
    sorted.expect("a store");
    let kept = "select count(*) from jobs where dead_at is null and kind = 'delete_former_account'";
    assert_eq!(it.pair.base.number(kept).await, 1, "{}", it.kind());
    // Retention deletes the dead letter of the provider in use.
    let removed = store.clean(&Retention::default(), later()).await;
    assert!(removed.expect("cleaned") >= 1, "{}", it.kind());
    assert_eq!(it.pair.base.number("select count(*) from jobs").await, 1);
    assert_eq!(it.listed(), Some((2, 1)), "{}", it.kind());

    // After the switch back, `serve` runs the deletions at the project. The local issuer has no accounts to delete.
    let now = it.local.clock.now();
    let back = IdentityConfig::Supabase(SupabaseConfig {
        issuer: supabase.clone(),
        url: it.provider().hosted_url().parse().expect("a URL"),
        anon_key: ApiKey::Legacy("".into()),
        service_key: ApiKey::Legacy("".into()),
        password_keys: Vec::new(),
        environment: Environment::Development,
    });
    switch_identity(&back, store, now).await.expect("a store");
    it.insert(3, &own, Uuid::nil()).await;
    it.dead_letter().await;
    let app = it.pair.first();
    let sorted = app.sort_account_deletions(later()).await;
    sorted.expect("a store");
    assert_eq!(it.work(app).await, [JobOutcome::Done; 2], "{}", it.kind());
    assert!(!it.has(it.ada) && it.has(it.bob), "{}", it.kind());
    assert_eq!(it.pair.asked(DELETE), 1, "{}", it.kind());
    assert_eq!(it.pair.base.number("select count(*) from jobs").await, 0);
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_outlives_the_key_that_sealed_it(#[values(Sqlite, Postgres)] engine: Engine) {
    let it = Switched::new(engine).await;
    it.delete(ADA).expect(0, &[]);
    assert_eq!(
        it.work(&it.local).await,
        [JobOutcome::SetAside],
        "{}",
        it.kind()
    );
    let new = ("SESSION_SECRET", NEW_SECRET);
    let said = it.run_with(&[new], &["identity", "former"], "");
    said.expect(0, &["1 deletion(s) were sealed with a key"]);
    it.finish(&[new])
        .expect(1, &["1 deletion(s) were sealed with a key"]);
    let both = format!("{NEW_SECRET},{SECRET}");
    let rotated = it.run_with(&[("SESSION_SECRET", &both)], &["keys", "rotate"], "");
    rotated.expect(0, &[]);
    it.finish(&[new]).expect(0, &["1 account(s) deleted"]);
    assert!(!it.has(it.ada), "{}", it.kind());
}
