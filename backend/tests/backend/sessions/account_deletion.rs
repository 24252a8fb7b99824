//! A person who is deleted at the backend is also deleted at the identity provider, even if calls fail at first.

use std::time::Duration;

use archety_backend::jobs::JobOutcome;
use archety_backend::store::Store;
use http::Method;
use rstest::rstest;
use serde_json::json;
use supabase_stand_in::Fault;
use uuid::Uuid;

use super::support::{ADA, Pair};
use crate::support::{Engine, Postgres, Sqlite, TestPhone, code_of};

const DELETE: &str = "DELETE /auth/v1/admin/users";
const CREATE: &str = "POST /auth/v1/admin/users";

fn user_id(phone: &TestPhone) -> Uuid {
    phone.user_id.parse().expect("an id")
}

#[rstest]
#[tokio::test]
async fn a_job_deletes_a_deleted_person_at_the_provider_once_the_provider_answers(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let ada = pair.first().signed_in(ADA).await;
    let person = || pair.provider().person(user_id(&ada));
    assert!(person().is_some(), "{}", pair.kind());
    let deleted = ada.call(pair.first(), Method::DELETE, "/user", None).await;
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    assert_eq!(
        pair.request_count(DELETE),
        0,
        "the request does not wait for the provider"
    );
    pair.provider().faults().always(DELETE, Fault::html(502));
    let outcomes = pair.do_jobs().await;
    assert!(outcomes.contains(&JobOutcome::Postponed), "{outcomes:?}");
    assert!(person().is_some(), "{}", pair.kind());
    // The next call deletes the account, but its answer is lost.
    pair.provider().faults().clear();
    pair.provider().faults().next(DELETE, Fault::DropAfter);
    pair.advance(Duration::from_mins(1));
    assert_eq!(pair.do_jobs().await, [JobOutcome::Postponed]);
    pair.advance(Duration::from_mins(1));
    assert_eq!(pair.do_jobs().await, [JobOutcome::Done], "{}", pair.kind());
    assert!(person().is_none(), "{}", pair.kind());
    assert_eq!(pair.base.number("select count(*) from jobs").await, 0);
    let again = pair.second().signed_in(ADA).await;
    assert_ne!(again.user_id, ada.user_id, "{}", pair.kind());
    assert!(pair.provider().person(user_id(&again)).is_some());
}

#[rstest]
#[tokio::test]
async fn the_former_holder_of_a_number_is_deleted_at_the_provider_before_the_new_account_is_made(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let pair = Pair::supabase(engine).await;
    let old = pair.first().signed_in(ADA).await;
    // A number that was silent for so long gets a new person at its next sign-in.
    pair.advance(Store::SILENCE);
    pair.provider().requests().clear();
    pair.provider().faults().next(DELETE, Fault::html(502));
    let app = pair.second();
    let started = app
        .post_json("/auth/verify/start", &json!({ "phone": ADA }))
        .await;
    assert_eq!(started.status, 200, "{}", started.text());
    let body = json!({ "phone": ADA, "code": code_of(ADA) });
    let refused = app.post_json("/auth/verify/confirm", &body).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(
        (pair.request_count(DELETE), pair.request_count(CREATE)),
        (1, 0)
    );
    assert!(pair.provider().person(user_id(&old)).is_some());
    // The code is still valid.
    let confirmed = app.post_json("/auth/verify/confirm", &body).await;
    let new = TestPhone::of(ADA, &confirmed);
    assert_ne!(new.user_id, old.user_id, "{}", pair.kind());
    assert!(pair.provider().person(user_id(&old)).is_none());
    let holders = pair.provider().people_by_phone(ADA);
    let holders: Vec<_> = holders.iter().map(|person| person.id).collect();
    assert_eq!(holders, [user_id(&new)], "{}", pair.kind());
    let requests = pair.provider().requests().all();
    let position = |pattern| {
        requests
            .iter()
            .rposition(|request| request.line().starts_with(pattern))
    };
    assert!(position(DELETE).is_some() && position(DELETE) < position(CREATE));
    // The account is deleted only once.
    pair.provider().requests().clear();
    app.signed_in(ADA).await;
    assert_eq!(pair.request_count(DELETE), 0, "{}", pair.kind());
}
