//! The JSON of a verification and of a check.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

use crate::settings::Settings;
use crate::verification::{Status, Verification};

/// What Start, Update and Fetch answer.
pub(crate) fn verification(
    it: &Verification,
    status: Status,
    settings: &Settings,
    base: &str,
) -> Value {
    let sends: Vec<Value> = it
        .sends
        .iter()
        .map(|send| {
            json!({
                "time": stamp(send.at),
                "channel": send.channel,
                "attempt_sid": send.attempt,
            })
        })
        .collect();
    let mut body = common(it, status, settings);
    body["lookup"] = json!({});
    body["send_code_attempts"] = sends.into();
    body["sna"] = Value::Null;
    body["url"] = json!(format!(
        "{base}/v2/Services/{}/Verifications/{}",
        settings.service_sid, it.sid
    ));
    body
}

/// What a Check answers.
pub(crate) fn check(it: &Verification, status: Status, settings: &Settings) -> Value {
    let mut body = common(it, status, settings);
    body["sna_attempts_error_codes"] = json!([]);
    body
}

fn common(it: &Verification, status: Status, settings: &Settings) -> Value {
    json!({
        "sid": it.sid,
        "service_sid": settings.service_sid,
        "account_sid": settings.account_sid,
        "to": it.to,
        "channel": it.channel(),
        "status": status.name(),
        "valid": status == Status::Approved,
        "amount": null,
        "payee": null,
        "date_created": stamp(it.created_at),
        "date_updated": stamp(it.updated_at),
    })
}

/// Whole seconds, as Twilio writes them.
fn stamp(time: OffsetDateTime) -> String {
    time.format(format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second]Z"
    ))
    .expect("a time of this century can be written")
}
