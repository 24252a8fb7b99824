//! Sign-ins with accounts that were changed, deleted or created directly at the project, and not by this backend.

use archety_backend::identity::SignInError;
use rstest::rstest;
use serde_json::json;
use supabase_stand_in::{Fault, Seed, Settings};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::support::{
    CLIENT_ADDRESS, OTHER_PASSWORD_KEY, Project, TestUser, project, upstream_session,
};
use crate::support::{Engine, Postgres, Sqlite};

const GRANT: &str = "POST /token?grant_type=password";
const CREATE: &str = "POST /admin/users";
const LIST: &str = "GET /admin/users?page=1&per_page=200";

fn get(id: Uuid) -> String {
    format!("GET /admin/users/{id}")
}

fn put(id: Uuid) -> String {
    format!("PUT /admin/users/{id}")
}

/// Creates an account with the user's number directly at the project, and returns its id.
fn seed(project: &Project, user: &TestUser, change: impl FnOnce(Seed) -> Seed) -> Uuid {
    let account = Seed::phone(user.phone.as_str());
    project.stand_in.seed(change(account))
}

/// Changes the number of an account directly at the project.
async fn change_number(project: &Project, id: Uuid, phone: &str) {
    let changed = reqwest::Client::new()
        .put(format!("{}/admin/users/{id}", project.stand_in.url()))
        .bearer_auth(project.stand_in.service_key())
        .json(&json!({"phone": phone, "phone_confirm": true}))
        .send();
    assert_eq!(changed.await.expect("answers").status().as_u16(), 200);
}

#[rstest]
#[tokio::test]
async fn a_password_that_the_user_changed_is_reset(#[values(Sqlite, Postgres)] engine: Engine) {
    let project = Project::new(engine, Settings::default()).await;
    let ada = project.new_user(1).await;
    let first = project.signed_in(&ada).await;
    let stand_in = &project.stand_in;
    stand_in.set_password(ada.user_id, "Users-Own-Passw0rd!");
    let second = project.sign_in(&ada).await.expect("signed in");
    let calls = [
        GRANT,
        CREATE,
        GRANT,
        GRANT,
        &get(ada.user_id),
        &put(ada.user_id),
        GRANT,
    ];
    assert_eq!(project.calls(), calls, "{}", project.kind);
    let person = project.stand_in.person(ada.user_id).expect("an account");
    let newest = [upstream_session(&second)];
    assert_eq!(person.sessions, newest, "{first:?} has ended");
    project.sign_in(&ada).await.expect("signed in");
    assert_eq!(project.calls(), [GRANT]);
}

#[tokio::test]
async fn after_the_loss_of_a_password_key_the_password_is_reset_once() {
    let project = project(Settings::default()).await;
    let ada = project.new_user(1).await;
    project.signed_in(&ada).await;
    let other = project.with_keys(&[OTHER_PASSWORD_KEY]).await;
    other.signed_in(&ada).await;
    other.sign_in(&ada).await.expect("signed in");
    assert_eq!(project.calls(), [GRANT]);
}

#[rstest]
#[tokio::test]
async fn of_eight_simultaneous_sign_ins_one_resets_the_password(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let project = Project::new(engine, Settings::default()).await;
    let ada = project.new_user(1).await;
    project.signed_in(&ada).await;
    let stand_in = &project.stand_in;
    stand_in.set_password(ada.user_id, "Users-Own-Passw0rd!");
    let replica = project.replica().await;
    let mut tasks = JoinSet::new();
    for n in 0..8_u128 {
        let identity = if n % 2 == 0 {
            &project.identity
        } else {
            &replica.identity
        };
        let (identity, ada, now) = (identity.clone(), ada.clone(), project.now());
        tasks.spawn(async move {
            let session = Uuid::from_u128(n + 1);
            identity
                .sign_in(&ada.person(), session, CLIENT_ADDRESS, now)
                .await
        });
    }
    for signed_in in tasks.join_all().await {
        signed_in.expect("signed in");
    }
    assert_eq!(
        project.stand_in.requests().count("PUT /"),
        1,
        "{}",
        project.kind
    );
    let sessions = project.stand_in.session_count(ada.user_id);
    assert_eq!(sessions, 8, "no sign-in lost its session");
}

#[rstest]
#[tokio::test]
async fn a_deleted_account_is_created_again(#[values(Sqlite, Postgres)] engine: Engine) {
    let project = Project::new(engine, Settings::default()).await;
    let ada = project.new_user(1).await;
    project.signed_in(&ada).await;
    project.stand_in.delete(ada.user_id);
    let grant = project.sign_in(&ada).await.expect("signed in");
    assert_eq!(project.calls(), [GRANT, CREATE, GRANT], "{}", project.kind);
    assert_eq!(grant.subject, ada.user_id);
}

#[rstest]
#[tokio::test]
async fn an_account_whose_only_identity_is_the_number_is_adopted(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let project = Project::new(engine, Settings::default()).await;
    let ada = project.new_user(1).await;
    let metadata = |seed: Seed| seed.user_metadata("phone", json!("15550100299"));
    let id = seed(&project, &ada, metadata);
    let grant = project.sign_in(&ada).await.expect("signed in");
    let calls = [
        CREATE,
        GRANT,
        GRANT,
        &get(ada.user_id),
        LIST,
        &get(id),
        &put(id),
        GRANT,
    ];
    assert_eq!(project.calls(), calls, "{}", project.kind);
    assert_eq!(grant.subject, id);
    let account = project.account(&ada).await;
    assert_eq!((account.subject, account.is_confirmed), (id, true));
    project.sign_in(&ada).await.expect("signed in");
    assert_eq!(project.calls(), [GRANT]);
    assert_eq!(
        project.stand_in.people_by_phone(ada.phone.as_str()).len(),
        1
    );
}

#[tokio::test]
async fn the_old_password_of_an_adopted_account_stops_working() {
    let project = project(Settings::default()).await;
    let ada = project.new_user(1).await;
    let id = seed(&project, &ada, |seed| seed.password("Attackers-Passw0rd!"));
    let attacker = reqwest::Client::new();
    let attack = async || {
        let answer = attacker
            .post(format!(
                "{}/token?grant_type=password",
                project.stand_in.url()
            ))
            .json(&json!({"phone": ada.phone.as_str(), "password": "Attackers-Passw0rd!"}))
            .send();
        answer.await.expect("answers").status().as_u16()
    };
    assert_eq!(attack().await, 200);
    let grant = project.sign_in(&ada).await.expect("signed in");
    assert_eq!(attack().await, 400);
    let sessions = project.stand_in.person(id).expect("an account").sessions;
    assert_eq!(sessions, [upstream_session(&grant)]);
}

#[rstest]
#[tokio::test]
async fn an_unconfirmed_account_is_replaced(#[values(Sqlite, Postgres)] engine: Engine) {
    let project = Project::new(engine, Settings::default()).await;
    let ada = project.new_user(1).await;
    let unconfirmed = seed(&project, &ada, |seed| {
        seed.unconfirmed()
            .password("Attackers-Passw0rd!")
            .user_metadata("name", json!("Mallory"))
    });
    let grant = project.sign_in(&ada).await.expect("signed in");
    assert_eq!(grant.subject, ada.user_id, "{}", project.kind);
    assert!(project.stand_in.person(unconfirmed).is_none());
    let person = project.stand_in.person(ada.user_id).expect("an account");
    assert!(
        person.user_metadata.is_empty(),
        "the metadata of the old account is gone"
    );
}

#[tokio::test]
async fn a_sign_in_is_refused_if_the_numbers_account_has_a_second_way_to_sign_in_and_leaves_it_unchanged()
 {
    let changes: [fn(Seed) -> Seed; 5] = [
        |seed| seed.and_email("mallory@example.com"),
        |seed| seed.identity("google"),
        Seed::factor,
        |seed| seed.unconfirmed().and_email("mallory@example.com"),
        |seed| seed.unconfirmed().identity("google"),
    ];
    for (n, change) in (1..).zip(changes) {
        let project = project(Settings::default()).await;
        let ada = project.new_user(n).await;
        let id = seed(&project, &ada, |seed| {
            change(seed).password("Their-Passw0rd!")
        });
        let refused = project.sign_in(&ada).await;
        assert!(
            matches!(refused, Err(SignInError::ForeignAccount)),
            "{n}: {refused:?}"
        );
        let calls = project.calls();
        assert!(
            !calls
                .iter()
                .any(|call| call.starts_with("PUT") || call.starts_with("DELETE"))
        );
        let person = project.stand_in.person(id).expect("an account");
        assert_eq!(person.password, "Their-Passw0rd!");
        assert_eq!(project.account(&ada).await.subject, ada.user_id);
        // The next sign-in is refused, too.
        let refused = project.sign_in(&ada).await;
        assert!(
            matches!(refused, Err(SignInError::ForeignAccount)),
            "{n}: {refused:?}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn a_user_whose_id_is_taken_at_the_project_gets_a_random_id_there(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let project = Project::new(engine, Settings::default()).await;
    let ada = project.new_user(1).await;
    let other = Seed::phone("+15550100299").id(ada.user_id);
    project.stand_in.seed(other.password("Theirs-Passw0rd!"));
    let grant = project.sign_in(&ada).await.expect("signed in");
    assert_ne!(grant.subject, ada.user_id);
    assert_eq!(project.account(&ada).await.subject, grant.subject);
    let calls = [CREATE, GRANT, GRANT, &get(ada.user_id), CREATE, GRANT];
    assert_eq!(project.calls(), calls, "{}", project.kind);
    let other = project.stand_in.person(ada.user_id).expect("an account");
    assert_eq!(
        (other.phone.as_str(), other.password.as_str()),
        ("15550100299", "Theirs-Passw0rd!")
    );
    project.sign_in(&ada).await.expect("signed in");
    assert_eq!(project.calls(), [GRANT]);
}

#[tokio::test]
async fn if_other_accounts_have_the_id_and_the_number_the_one_with_the_number_is_adopted() {
    let project = project(Settings::default()).await;
    let ada = project.new_user(1).await;
    project
        .stand_in
        .seed(Seed::phone("+15550100299").id(ada.user_id));
    let holder = seed(&project, &ada, |seed| seed);
    let grant = project.sign_in(&ada).await.expect("signed in");
    assert_eq!(grant.subject, holder);
    assert_eq!(project.account(&ada).await.subject, holder);
}

#[tokio::test]
async fn an_account_whose_number_was_changed_is_not_used_and_stays_unchanged() {
    let project = project(Settings::default()).await;
    let ada = project.new_user(1).await;
    project.signed_in(&ada).await;
    change_number(&project, ada.user_id, "+15550100298").await;
    let grant = project.sign_in(&ada).await.expect("signed in");
    assert_ne!(grant.subject, ada.user_id);
    let old = project.stand_in.person(ada.user_id).expect("an account");
    assert_eq!(old.phone, "15550100298", "unchanged");
}

#[rstest]
#[tokio::test]
async fn each_repair_of_an_account_is_audited(#[values(Sqlite, Postgres)] engine: Engine) {
    type Change = fn(Seed) -> Seed;
    let cases: [(Change, &str); 3] = [
        (|seed| seed, "adopted"),
        (Seed::unconfirmed, "replaced"),
        (Seed::factor, "refused"),
    ];
    let project = Project::new(engine, Settings::default()).await;
    let outcomes = async |user: &TestUser| {
        let events = project.store.events_of(user.user_id, 10).await;
        let events = events.expect("the store answers");
        assert!(events.iter().all(|event| event.kind == "account_repair"));
        let outcomes: Vec<_> = events.into_iter().map(|event| event.outcome).collect();
        outcomes
    };
    for (n, (change, outcome)) in (1..).zip(cases) {
        let user = project.new_user(n).await;
        seed(&project, &user, change);
        assert_eq!(project.sign_in(&user).await.is_ok(), outcome != "refused");
        assert_eq!(outcomes(&user).await, [outcome], "{}", project.kind);
    }
    let dora = project.new_user(4).await;
    project.signed_in(&dora).await;
    assert_eq!(outcomes(&dora).await, [""; 0], "nothing to repair");
    let own = "Users-Own-Passw0rd!";
    project.stand_in.set_password(dora.user_id, own);
    project.signed_in(&dora).await;
    assert_eq!(outcomes(&dora).await, ["repaired"], "{}", project.kind);
}

#[tokio::test]
async fn an_account_of_another_user_is_not_adopted_although_it_has_the_number() {
    let project = project(Settings::default()).await;
    let (ada, bob) = (project.new_user(1).await, project.new_user(2).await);
    project.signed_in(&bob).await;
    change_number(&project, bob.user_id, ada.phone.as_str()).await;
    let refused = project.sign_in(&ada).await;
    assert!(
        matches!(refused, Err(SignInError::ForeignAccount)),
        "{refused:?}"
    );
    assert_eq!(project.account(&bob).await.subject, bob.user_id);
}

#[tokio::test]
async fn the_account_with_the_number_is_found_on_any_page_of_the_list() {
    let project = project(Settings::default()).await;
    let ada = project.new_user(1).await;
    let id = seed(&project, &ada, |seed| seed);
    for n in 0..450 {
        project
            .stand_in
            .seed(Seed::phone(&format!("+1555020{n:04}")));
    }
    let grant = project.sign_in(&ada).await.expect("signed in");
    assert_eq!(grant.subject, id);
    assert_eq!(project.stand_in.requests().count("per_page=200"), 3);
}

#[tokio::test]
async fn the_search_ends_at_a_repeated_page_and_at_the_end_of_the_list() {
    let project = project(Settings::default()).await;
    let ada = project.new_user(1).await;
    let id = seed(&project, &ada, |seed| seed);
    let others =
        json!({"aud": "authenticated", "users": [{"id": Uuid::from_u128(9), "phone": "1"}]});
    for (page, requests) in [(others, 2), (json!({"users": []}), 1)] {
        project
            .stand_in
            .faults()
            .always("per_page=200", Fault::json(200, &page));
        let refused = project.sign_in(&ada).await;
        assert!(
            matches!(refused, Err(SignInError::Unavailable { .. })),
            "{refused:?}"
        );
        assert_eq!(project.stand_in.requests().count("per_page=200"), requests);
        project.stand_in.faults().clear();
        project.stand_in.requests().clear();
    }
    let grant = project.sign_in(&ada).await.expect("found");
    assert_eq!(grant.subject, id);
}

#[rstest]
#[tokio::test]
async fn a_client_that_disconnects_during_a_repair_does_not_block_the_next_sign_in(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let project = Project::new(engine, Settings::default()).await;
    let ada = project.new_user(1).await;
    project.signed_in(&ada).await;
    let stand_in = &project.stand_in;
    stand_in.set_password(ada.user_id, "Users-Own-Passw0rd!");
    let second = std::time::Duration::from_secs(1);
    let faults = project.stand_in.faults();
    faults.next("PUT ", Fault::Hang(30 * second));
    let disconnected = tokio::time::timeout(second, project.sign_in(&ada)).await;
    assert!(disconnected.is_err(), "{}", project.kind);
    project.sign_in(&ada).await.expect("signed in");
}
