//! Translates the environment variables of a recorded server into settings of the stand-in.

use std::collections::BTreeMap;
use std::time::Duration;

use supabase_stand_in::{RefreshTokens, Settings, go_duration};

/// Reads the real server's environment variables. An unknown variable is an error that names it, because
/// a replay with an ignored setting would prove nothing.
pub(crate) fn from_variables<'a>(
    variables: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<Settings, String> {
    let mut settings = Settings::default();
    for (name, value) in variables {
        set(&mut settings, name, value)
            .ok_or_else(|| format!("{name}={value} is not understood"))?;
    }
    Ok(settings)
}

fn set(settings: &mut Settings, name: &str, value: &str) -> Option<()> {
    match name.strip_prefix("GOTRUE_")? {
        // The stand-in supports no other audience or role.
        "JWT_AUD" | "JWT_DEFAULT_GROUP_NAME" => {
            return (value == "authenticated").then_some(());
        }
        // Ignored: the stand-in's test codes do not expire.
        "SMS_OTP_EXP" => {}
        "SITE_URL" => value.clone_into(&mut settings.site_url),
        "JWT_EXP" => settings.access_token_ttl = seconds(value)?,
        "EXTERNAL_PHONE_ENABLED" => settings.phone_provider = value.parse().ok()?,
        "EXTERNAL_EMAIL_ENABLED" => settings.email_provider = value.parse().ok()?,
        "SMS_AUTOCONFIRM" => settings.sms_autoconfirm = value.parse().ok()?,
        "SMS_TEST_OTP" => settings.sms_test_otp = test_codes(value)?,
        "SMS_MAX_FREQUENCY" => settings.sms_max_frequency = go_duration(value)?,
        "DISABLE_SIGNUP" => settings.disable_signup = value.parse().ok()?,
        "PASSWORD_MIN_LENGTH" => settings.password_min_length = value.parse().ok()?,
        "SECURITY_REFRESH_TOKEN_REUSE_INTERVAL" => settings.reuse_interval = seconds(value)?,
        "SECURITY_REFRESH_TOKEN_ROTATION_ENABLED" => settings.rotation = value.parse().ok()?,
        "SECURITY_REFRESH_TOKEN_ALGORITHM_VERSION" => {
            settings.refresh_tokens = match value {
                "0" | "1" => RefreshTokens::V1,
                "2" => RefreshTokens::V2,
                _ => return None,
            }
        }
        "SESSIONS_TIMEBOX" => settings.session_timebox = Some(go_duration(value)?),
        "SESSIONS_INACTIVITY_TIMEOUT" => settings.session_inactivity = Some(go_duration(value)?),
        "SESSIONS_SINGLE_PER_USER" => settings.single_session = value.parse().ok()?,
        "SECURITY_UPDATE_PASSWORD_REQUIRE_CURRENT_PASSWORD" => {
            settings.require_current_password = value.parse().ok()?;
        }
        "RATE_LIMIT_HEADER" => settings.rate_limit_header = Some(value.to_owned()),
        "SECURITY_SB_FORWARDED_FOR_ENABLED" => settings.sb_forwarded_for = value.parse().ok()?,
        "RATE_LIMIT_TOKEN_REFRESH" => settings.token_rate_limit = value.parse().ok()?,
        "RATE_LIMIT_VERIFY" => settings.verify_rate_limit = value.parse().ok()?,
        "RATE_LIMIT_OTP" => settings.otp_rate_limit = value.parse().ok()?,
        _ => return None,
    }
    Some(())
}

fn seconds(value: &str) -> Option<Duration> {
    value.parse().ok().map(Duration::from_secs)
}

fn test_codes(value: &str) -> Option<BTreeMap<String, String>> {
    value
        .split(',')
        .map(|pair| {
            let (phone, code) = pair.split_once(':')?;
            Some((phone.to_owned(), code.to_owned()))
        })
        .collect()
}

#[test]
fn an_unknown_variable_is_refused() {
    let problem = from_variables([("GOTRUE_NO_SUCH_THING", "1")]).unwrap_err();
    assert_eq!(problem, "GOTRUE_NO_SUCH_THING=1 is not understood");
    assert!(from_variables([("GOTRUE_JWT_EXP", "soon")]).is_err());
}
