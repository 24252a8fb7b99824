//! The account of a person at an identity issuer: its subject, its confirmation and its repair, on both stores.

use archety_backend::store::{Account, SubjectChange};
use rstest::rstest;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::support::new_user;
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

const ISSUER: &str = "https://abc.supabase.co/auth/v1";

#[rstest]
#[tokio::test]
async fn simultaneous_first_sign_ins_agree_on_one_subject(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let ada = new_user(&base.store, 1, NOW).await;
    let second = base.second().await;
    let mut tasks = JoinSet::new();
    for n in 0..20_u128 {
        let store = if n % 2 == 0 {
            base.store.clone()
        } else {
            second.clone()
        };
        let proposed = Uuid::from_u128(n + 1);
        tasks.spawn(async move {
            let account = store
                .find_or_create_account(ada.user_id, ISSUER, proposed, NOW)
                .await;
            account
                .expect("the store answers")
                .expect("the subject is free")
        });
    }
    let accounts = tasks.join_all().await;
    let created = accounts.iter().filter(|account| account.is_new).count();
    assert_eq!(created, 1, "{}", base.kind);
    assert!(
        accounts
            .iter()
            .all(|account| account.subject == accounts[0].subject)
    );
}

#[rstest]
#[tokio::test]
async fn a_subject_belongs_to_one_person_and_changes_by_compare_and_swap(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let store = &base.store;
    let (ada, bob) = (new_user(store, 1, NOW).await, new_user(store, 2, NOW).await);
    let subjects = [1, 2, 3].map(Uuid::from_u128);
    let account = store
        .find_or_create_account(ada.user_id, ISSUER, subjects[0], NOW)
        .await;
    assert!(account.expect("answers").expect("an account").is_new);
    let taken = store
        .find_or_create_account(bob.user_id, ISSUER, subjects[0], NOW)
        .await;
    assert_eq!(taken.expect("answers"), None, "{}", base.kind);
    let account = store
        .find_or_create_account(bob.user_id, ISSUER, subjects[1], NOW)
        .await;
    assert!(account.expect("answers").is_some());
    // Another issuer may give the same id to another person.
    let at_other_issuer = store
        .find_or_create_account(bob.user_id, "another issuer", subjects[0], NOW)
        .await;
    assert!(at_other_issuer.expect("answers").is_some());

    let confirm = |subject| store.confirm_account(ada.user_id, ISSUER, subject, NOW);
    confirm(subjects[2])
        .await
        .expect("another subject is ignored");
    let read = || async {
        let read = store.read_account(ada.user_id, ISSUER).await;
        read.expect("answers").expect("an account")
    };
    assert!(!read().await.is_confirmed);
    confirm(subjects[0]).await.expect("confirmed");
    assert!(read().await.is_confirmed);

    let change_subject = |from, to| store.change_subject(ada.user_id, ISSUER, from, to);
    assert_eq!(
        change_subject(subjects[0], subjects[1])
            .await
            .expect("answers"),
        SubjectChange::Refused
    );
    assert_eq!(
        change_subject(subjects[2], subjects[2])
            .await
            .expect("answers"),
        SubjectChange::Refused
    );
    assert_eq!(
        change_subject(subjects[0], subjects[2])
            .await
            .expect("answers"),
        SubjectChange::Done
    );
    assert_eq!(
        change_subject(subjects[0], subjects[2])
            .await
            .expect("answers"),
        SubjectChange::Refused
    );
    let moved = Account {
        subject: subjects[2],
        is_confirmed: false,
        is_new: false,
    };
    assert_eq!(read().await, moved, "{}", base.kind);
}

#[rstest]
#[tokio::test]
async fn one_replica_at_a_time_repairs_an_account_and_another_may_take_over_after_a_minute(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let base = TestStore::new(engine).await;
    let store = &base.store;
    let ada = new_user(store, 1, NOW).await;
    let created = store
        .find_or_create_account(ada.user_id, ISSUER, ada.user_id, NOW)
        .await;
    created.expect("answers");
    let minute = std::time::Duration::from_mins(1);
    let take_repair = |now, until| store.take_repair_lease(ada.user_id, ISSUER, now, until);
    assert!(take_repair(NOW, NOW.plus(minute)).await.expect("answers"));
    assert!(
        !take_repair(NOW, NOW.plus(minute)).await.expect("answers"),
        "{}",
        base.kind
    );
    let later = NOW.plus(minute);
    assert!(
        take_repair(later, later.plus(minute))
            .await
            .expect("answers")
    );
    // The first replica releases its repair, which has expired; the second replica keeps its own.
    let release = |until| store.release_repair_lease(ada.user_id, ISSUER, until);
    release(NOW.plus(minute)).await.expect("answers");
    assert!(
        !take_repair(later, later.plus(minute))
            .await
            .expect("answers")
    );
    release(later.plus(minute)).await.expect("answers");
    assert!(
        take_repair(later, later.plus(minute))
            .await
            .expect("answers")
    );
}
