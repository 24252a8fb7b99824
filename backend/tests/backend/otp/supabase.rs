//! Codes that Supabase Auth sends and checks.

use std::collections::BTreeMap;
use std::time::Duration;

use archety_backend::config::{
    ApiKey, Environment, IdentityConfig, OtpConfig, OtpLimits, OtpProviderConfig, SupabaseConfig,
};
use archety_backend::otp::{Channel, ConfirmError, Otp, StartError, TIMEOUTS};
use rstest::rstest;
use serde_json::json;
use supabase_stand_in::{Fault, Settings, StandIn};

use super::sends::HIGH_LIMITS;
use super::support::{app, config, identity_on, otp_with, pepper};
use crate::support::{Engine, NOW, Postgres, Sqlite, TestStore};

const BO: &str = "+15550100001";
const BOS_CODE: &str = "424242";

/// A replica whose codes a Supabase project sends and checks.
struct SupabaseReplica {
    supabase: StandIn,
    otp: Otp,
    /// Keeps the database for as long as the replica.
    _base: TestStore,
}

impl SupabaseReplica {
    async fn new(engine: Engine, limits: OtpLimits) -> Self {
        let base = TestStore::new(engine).await;
        let settings = Settings {
            sms_test_otp: BTreeMap::from([(BO[1..].to_owned(), BOS_CODE.to_owned())]),
            ..Settings::default()
        };
        let supabase = StandIn::start(settings).await.expect("a port");
        let identity = IdentityConfig::Supabase(SupabaseConfig {
            url: supabase.hosted_url().parse().expect("a URL"),
            issuer: supabase.issuer(),
            anon_key: ApiKey::Legacy(supabase.anon_key().into()),
            service_key: ApiKey::Legacy(supabase.service_key().into()),
            password_keys: vec!["0123456789abcdef0123456789abcdef".into()],
            environment: Environment::Development,
        });
        let config = OtpConfig {
            test_numbers: Vec::new(),
            ..config(OtpProviderConfig::Supabase, limits)
        };
        let otp = otp_with(&base.store, &config, &identity).await;
        Self {
            supabase,
            otp,
            _base: base,
        }
    }
}

#[rstest]
#[tokio::test]
async fn a_code_of_supabase_proves_the_number_and_leaves_no_session_there(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = SupabaseReplica::new(engine, OtpLimits::default()).await;
    let client = app(BO);
    let id = Some(client.start(&replica.otp).await.unwrap().challenge_id);
    let wrong = client.confirm(&replica.otp, id, "111111").await;
    assert!(
        matches!(wrong, Err(ConfirmError::Wrong { attempts_left: 4 })),
        "{wrong:?}"
    );
    let approved = client.confirm(&replica.otp, id, BOS_CODE).await.unwrap();
    assert!(!approved.is_test);
    let person = replica.supabase.person_by_phone(BO).unwrap();
    assert_eq!(replica.supabase.session_count(person.id), 0);
    // The backend keeps the approval, so Supabase is not asked again.
    let asked = replica.supabase.requests().count("/verify");
    assert_eq!(
        client.confirm(&replica.otp, id, BOS_CODE).await.unwrap(),
        approved
    );
    assert_eq!(replica.supabase.requests().count("/verify"), asked);
}

#[rstest]
#[tokio::test]
async fn the_next_code_is_sent_after_a_minute_and_replaces_the_first(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = SupabaseReplica::new(engine, OtpLimits::default()).await;
    let client = app(BO);
    let first = client.start(&replica.otp).await.unwrap();
    assert_eq!(first.resend_after_secs, 60);
    let soon = client.clone().at(NOW.plus(Duration::from_secs(59)));
    assert!(!soon.start(&replica.otp).await.unwrap().sent);
    assert_eq!(replica.supabase.requests().count("/otp"), 1);
    // The project sets the lifetime of a code, by default one minute.
    let later = client.at(NOW.plus(Duration::from_secs(61)));
    replica.supabase.clock().advance(Duration::from_secs(61));
    let second = later.start(&replica.otp).await.unwrap();
    assert_eq!(replica.supabase.requests().count("/otp"), 2);
    let first_challenge = later
        .confirm(&replica.otp, Some(first.challenge_id), BOS_CODE)
        .await;
    assert!(
        matches!(first_challenge, Err(ConfirmError::Expired)),
        "{first_challenge:?}"
    );
    let id = Some(second.challenge_id);
    later.confirm(&replica.otp, id, BOS_CODE).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn codes_that_supabase_refuses_to_send_do_not_count_against_the_limits(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let limits = OtpLimits {
        per_day: 1,
        ..HIGH_LIMITS
    };
    let replica = SupabaseReplica::new(engine, limits).await;
    let call = app(BO).by(Channel::Call).start(&replica.otp).await;
    assert!(matches!(call, Err(StartError::CannotSend)), "{call:?}");
    for (code, expected) in [
        ("sms_send_failed", StartError::CannotSend),
        ("validation_failed", StartError::InvalidPhone),
        (
            "over_sms_send_rate_limit",
            StartError::Limited { retry_after: 60 },
        ),
    ] {
        let body = json!({ "code": 422, "error_code": code, "msg": "" });
        replica
            .supabase
            .faults()
            .next("/otp", Fault::json(422, &body));
        let refused = app(BO).start(&replica.otp).await.unwrap_err();
        assert_eq!(format!("{refused:?}"), format!("{expected:?}"));
    }
    app(BO).start(&replica.otp).await.unwrap();
}

#[rstest]
#[tokio::test]
async fn lost_answers_and_banned_users_approve_no_challenge(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let replica = SupabaseReplica::new(engine, HIGH_LIMITS).await;
    let client = app(BO);
    replica.supabase.faults().next("/otp", Fault::DropAfter);
    let lost = client.start(&replica.otp).await;
    assert!(
        matches!(lost, Err(StartError::Unavailable { .. })),
        "{lost:?}"
    );
    replica.supabase.clock().advance(Duration::from_mins(2));
    let id = Some(client.start(&replica.otp).await.unwrap().challenge_id);
    for fault in [Fault::DropAfter, Fault::html(502), Fault::garbage()] {
        replica.supabase.faults().next("/verify", fault);
        let lost = client.confirm(&replica.otp, id, BOS_CODE).await;
        assert!(
            matches!(lost, Err(ConfirmError::Unavailable { .. })),
            "{lost:?}"
        );
    }
    let person = replica.supabase.person_by_phone(BO).unwrap();
    replica.supabase.ban(person.id, Duration::from_hours(1));
    let banned = client.confirm(&replica.otp, id, BOS_CODE).await;
    assert!(matches!(banned, Err(ConfirmError::Expired)), "{banned:?}");
}

#[rstest]
#[tokio::test]
async fn a_backend_with_local_identities_cannot_send_codes_by_supabase(
    #[values(Sqlite, Postgres)] engine: Engine,
) {
    let store = TestStore::new(engine).await;
    let identity = identity_on(&store.store, &IdentityConfig::Local).await;
    let config = config(OtpProviderConfig::Supabase, HIGH_LIMITS);
    let timeouts = TIMEOUTS;
    let pepper = pepper(&store.store).await;
    let otp = Otp::new(&config, timeouts, identity, store.store.clone(), pepper);
    assert!(otp.is_err());
}
