//! Codes that Supabase Auth sends and checks.

use std::collections::BTreeMap;
use std::time::Duration;

use archety_backend::config::{
    ApiKey, Environment, IdentityConfig, OtpConfig, OtpLimits, OtpProviderConfig, SupabaseConfig,
};
use archety_backend::otp::{Channel, ConfirmError, Otp, StartError, TIMEOUTS};
use serde_json::json;
use supabase_stand_in::{Fault, Settings, StandIn};

use super::sends::WIDE;
use super::support::{app, config, identity_on, otp_with, pepper};
use crate::support::{NOW, TestStore, stores};

const BO: &str = "+15550100001";
const BOS_CODE: &str = "424242";

struct SupabaseDoor {
    supabase: StandIn,
    otp: Otp,
    /// Keeps the database until the test ends.
    _base: TestStore,
}

async fn supabase_doors(limits: OtpLimits) -> Vec<SupabaseDoor> {
    let mut doors = Vec::new();
    for base in stores().await {
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
        doors.push(SupabaseDoor {
            supabase,
            otp,
            _base: base,
        });
    }
    doors
}

#[tokio::test]
async fn a_code_of_supabase_proves_the_number_and_leaves_no_session_there() {
    for door in supabase_doors(OtpLimits::default()).await {
        let client = app(BO);
        let id = Some(client.start(&door.otp).await.unwrap().challenge_id);
        let wrong = client.confirm(&door.otp, id, "111111").await;
        assert!(
            matches!(wrong, Err(ConfirmError::Wrong { attempts_left: 4 })),
            "{wrong:?}"
        );
        let approved = client.confirm(&door.otp, id, BOS_CODE).await.unwrap();
        assert!(!approved.is_test);
        let person = door.supabase.person_by_phone(BO).unwrap();
        assert_eq!(door.supabase.session_count(person.id), 0);
        // The backend keeps the approval, so Supabase is not asked again.
        let asked = door.supabase.requests().count("/verify");
        assert_eq!(
            client.confirm(&door.otp, id, BOS_CODE).await.unwrap(),
            approved
        );
        assert_eq!(door.supabase.requests().count("/verify"), asked);
    }
}

#[tokio::test]
async fn the_next_code_is_sent_after_a_minute_and_replaces_the_first() {
    for door in supabase_doors(OtpLimits::default()).await {
        let client = app(BO);
        let first = client.start(&door.otp).await.unwrap();
        assert_eq!(first.resend_after_secs, 60);
        let soon = client.clone().at(NOW.plus(Duration::from_secs(59)));
        assert!(!soon.start(&door.otp).await.unwrap().sent);
        assert_eq!(door.supabase.requests().count("/otp"), 1);
        // The project sets the lifetime of a code, by default one minute.
        let later = client.at(NOW.plus(Duration::from_secs(61)));
        door.supabase.clock().advance(Duration::from_secs(61));
        let second = later.start(&door.otp).await.unwrap();
        assert_eq!(door.supabase.requests().count("/otp"), 2);
        let old = later
            .confirm(&door.otp, Some(first.challenge_id), BOS_CODE)
            .await;
        assert!(matches!(old, Err(ConfirmError::Expired)), "{old:?}");
        let id = Some(second.challenge_id);
        later.confirm(&door.otp, id, BOS_CODE).await.unwrap();
    }
}

#[tokio::test]
async fn codes_that_supabase_refuses_to_send_do_not_count() {
    let limits = OtpLimits { per_day: 1, ..WIDE };
    for door in supabase_doors(limits).await {
        let call = app(BO).by(Channel::Call).start(&door.otp).await;
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
            door.supabase.faults().next("/otp", Fault::json(422, &body));
            let refused = app(BO).start(&door.otp).await.unwrap_err();
            assert_eq!(format!("{refused:?}"), format!("{expected:?}"));
        }
        app(BO).start(&door.otp).await.unwrap();
    }
}

#[tokio::test]
async fn a_lost_answer_approves_no_challenge() {
    for door in supabase_doors(WIDE).await {
        let client = app(BO);
        door.supabase.faults().next("/otp", Fault::DropAfter);
        let lost = client.start(&door.otp).await;
        assert!(
            matches!(lost, Err(StartError::Unavailable { .. })),
            "{lost:?}"
        );
        door.supabase.clock().advance(Duration::from_mins(2));
        let id = Some(client.start(&door.otp).await.unwrap().challenge_id);
        for fault in [Fault::DropAfter, Fault::html(502), Fault::garbage()] {
            door.supabase.faults().next("/verify", fault);
            let lost = client.confirm(&door.otp, id, BOS_CODE).await;
            assert!(
                matches!(lost, Err(ConfirmError::Unavailable { .. })),
                "{lost:?}"
            );
        }
        let person = door.supabase.person_by_phone(BO).unwrap();
        door.supabase.ban(person.id, Duration::from_hours(1));
        let banned = client.confirm(&door.otp, id, BOS_CODE).await;
        assert!(matches!(banned, Err(ConfirmError::Expired)), "{banned:?}");
    }
}

#[tokio::test]
async fn a_backend_with_local_identities_cannot_send_codes_by_supabase() {
    for store in stores().await {
        let identity = identity_on(&store.store, &IdentityConfig::Local).await;
        let config = config(OtpProviderConfig::Supabase, WIDE);
        let timeouts = TIMEOUTS;
        let pepper = pepper(&store.store).await;
        let otp = Otp::new(&config, timeouts, identity, store.store.clone(), pepper);
        assert!(otp.is_err());
    }
}
