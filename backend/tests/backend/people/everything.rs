//! A person with a row in every table that holds personal data, for tests of deletion and export.

use std::time::Duration;

use archety_backend::clock::Timestamp;
use archety_backend::store::Pepper;
use uuid::Uuid;

use super::rows::{
    ADA, BEN, execute, from_person, in_group, reply, signed_in, store, typed, with_tombstone,
};
use crate::store::message_builder::{from, id};
use crate::support::{NOW, TestStore};

pub(super) fn at(secs: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(secs))
}

pub(super) fn pepper() -> Pepper {
    Pepper::of([9; 32])
}

/// Creates Ada, with a row in every table that can hold data of a person.
pub(super) async fn person_with_all_rows(s: &TestStore) -> Uuid {
    let pepper = pepper();
    let ada = signed_in(s, ADA, NOW).await;
    store(
        s,
        with_tombstone(from_person("ada-secret-1", ADA, at(1)), &pepper),
    )
    .await;
    reply(s, "ada-secret-reply", "ada-secret-1", at(2)).await;
    store(
        s,
        with_tombstone(typed("ada-secret-typed", ADA, at(3)), &pepper),
    )
    .await;
    store(
        s,
        with_tombstone(in_group("ada-secret-group", "g", ADA, at(4)), &pepper),
    )
    .await;
    store(s, in_group("ben in group", "g", BEN, at(5))).await;
    store(s, from_person("ben 1", BEN, at(6))).await;
    // Ada's message in Ben's chat is also her data.
    let in_bens = from(from_person("ada-secret-in-bens", BEN, at(7)), ADA);
    store(s, with_tombstone(in_bens, &pepper)).await;
    let json = || sqlx::types::Json(serde_json::json!({ "is": "ada-secret-json" }));
    execute!(
        s,
        "insert into user_traits (id, user_id, name, value, source, created_at, updated_at) \
         values ($1, $2, 'ada-secret-trait', $3, 'user', $4, $4)",
        id(),
        ada.user_id,
        json(),
        NOW
    );
    execute!(
        s,
        "insert into trait_profiles (user_id, profile, created_at, updated_at) values ($1, $2, $3, $3)",
        ada.user_id,
        json(),
        NOW
    );
    execute!(
        s,
        "insert into onboarding_sessions (id, user_id, persona_id, stage, answers, started_at, updated_at) \
         values ($1, $2, 'sage', 's', $3, $4, $4)",
        id(),
        ada.user_id,
        json(),
        NOW
    );
    insert_session(s, ada.user_id).await;
    execute!(
        s,
        "insert into auth_events (id, occurred_at, kind, outcome, user_id) values ($1, $2, 'k', 'o', $3)",
        id(),
        NOW,
        ada.user_id
    );
    insert_code(s).await;
    execute!(
        s,
        "update users set name = 'ada-secret-name' where id = $1",
        ada.user_id
    );
    ada.user_id
}

async fn insert_session(s: &TestStore, user_id: Uuid) {
    let session = id();
    execute!(
        s,
        "insert into sessions (id, user_id, transport, issuer, remember, created_at, last_seen_at, \
           idle_expires_at, expires_at, device, step_up_is_test, token_counter, upstream_version) \
         values ($1, $2, 'bearer', 'i', true, $3, $3, $4, $4, 'ada-secret-device', false, 0, 0)",
        session,
        user_id,
        NOW,
        at(999)
    );
    execute!(
        s,
        "insert into session_tokens (session_id, counter, token_hash, key_id, issued_at) \
         values ($1, 0, $2, 'k', $3)",
        session,
        &[1_u8, 2][..],
        NOW
    );
}

async fn insert_code(s: &TestStore) {
    let code = id();
    let hash = pepper().hash(archety_backend::store::otp::PHONE_HASH, ADA);
    execute!(
        s,
        "insert into otp_codes (id, phone_hash, channel, provider, is_test, reserved_at, expires_at) \
         values ($1, $2, 'sms', 'console', true, $3, $4)",
        code,
        &hash[..],
        NOW,
        at(600)
    );
    execute!(
        s,
        "insert into otp_challenges (id, code_id, phone_hash, attempts, created_at, expires_at) \
         values ($1, $2, $3, 0, $4, $5)",
        id(),
        code,
        &hash[..],
        NOW,
        at(600)
    );
}
