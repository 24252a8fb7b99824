//! The JSON bodies of a verification and of a check.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::settings::Settings;
use crate::verification::{Status, Verification};

/// The body of the answers to Start, Update and Fetch.
pub(crate) fn verification_body(
    verification: &Verification,
    status: Status,
    settings: &Settings,
    base_url: &str,
) -> Value {
    let sends: Vec<Value> = verification
        .sends
        .iter()
        .map(|send| {
            json!({
                "time": timestamp(send.at),
                "channel": send.channel,
                "attempt_sid": send.attempt_sid,
            })
        })
        .collect();
    let mut body = common_fields(verification, status, settings);
    body["lookup"] = json!({});
    body["send_code_attempts"] = sends.into();
    body["sna"] = Value::Null;
    body["url"] = json!(format!(
        "{base_url}/v2/Services/{}/Verifications/{}",
        settings.service_sid, verification.sid
    ));
    body
}

/// The body of the answer to a Check.
pub(crate) fn check_body(
    verification: &Verification,
    status: Status,
    settings: &Settings,
) -> Value {
    let mut body = common_fields(verification, status, settings);
    body["sna_attempts_error_codes"] = json!([]);
    body
}

/// The fields that both bodies have.
fn common_fields(verification: &Verification, status: Status, settings: &Settings) -> Value {
    json!({
        "sid": verification.sid,
        "service_sid": settings.service_sid,
        "account_sid": settings.account_sid,
        "to": verification.to,
        "channel": verification.channel(),
        "status": status.name(),
        "valid": status == Status::Approved,
        "amount": null,
        "payee": null,
        "date_created": timestamp(verification.created_at),
        "date_updated": timestamp(verification.updated_at),
    })
}

/// A time in whole seconds, in Twilio's format.
fn timestamp(time: OffsetDateTime) -> String {
    time.format(format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second]Z"
    ))
    .expect("a time of this century can be written")
}
