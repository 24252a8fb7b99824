//! `OTP_*` and `TWILIO_*`: the service that sends codes, the numbers that get codes, and the limits.

use std::fmt;

use secrecy::SecretString;
use url::Url;

use super::{IdentityConfig, OtpLimits, Reader, ServerConfig, is_loopback};
use crate::phone::Phone;
use crate::phone_region::Regions;

/// How a code is delivered. The API and Twilio use these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum Channel {
    Sms,
    /// A voice reads the code out.
    Call,
    WhatsApp,
}

#[derive(Debug)]
pub struct OtpConfig {
    pub provider: OtpProviderConfig,
    /// Numbers that get no message and whose code is fixed. Always empty, except in development on a loopback `HOST`.
    pub test_numbers: Vec<TestNumber>,
    /// The regions whose numbers are served.
    pub regions: Regions,
    /// The channels that a client may choose. The first one is the default.
    pub channels: Vec<Channel>,
    pub limits: OtpLimits,
}

/// The service that sends and checks codes.
#[derive(Debug)]
pub enum OtpProviderConfig {
    /// No service: codes are printed to the developer's terminal.
    Console,
    /// Twilio Verify.
    Twilio(TwilioConfig),
    /// Supabase Auth.
    Supabase,
}

/// A Twilio Verify service.
#[derive(Debug)]
pub struct TwilioConfig {
    /// Account SID, or the SID of an API key.
    pub username: String,
    /// Auth token, or the secret of that API key.
    pub password: SecretString,
    /// The SID of the service, which begins with `VA`.
    pub service_sid: String,
    /// `https://verify.twilio.com`, unless `TWILIO_BASE_URL` names a stand-in on this machine.
    pub base_url: Url,
}

/// A number with a fixed code, for development.
#[derive(Clone, PartialEq, Eq)]
pub struct TestNumber {
    pub phone: Phone,
    pub code: String,
}

impl TestNumber {
    /// How many digits the code has.
    pub fn code_length(&self) -> u32 {
        u32::try_from(self.code.len()).expect("a code has at most ten digits")
    }
}

impl fmt::Debug for TestNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}=…", self.phone)
    }
}

const PROVIDER: &str = "OTP_PROVIDER";
const TEST_NUMBERS: &str = "OTP_TEST_NUMBERS";
const SERVICE_SID: &str = "TWILIO_VERIFY_SERVICE_SID";
/// The test number and its code if `OTP_TEST_NUMBERS` is not set and codes are printed.
const DEFAULT_TEST_NUMBERS: &str = "+15551234567=123456";
const TWILIO_URL: &str = "https://verify.twilio.com";
/// Any of these settings chooses Twilio. `TWILIO_BASE_URL` does not, because it names no account.
const TWILIO_KEYS: [&str; 5] = [
    SERVICE_SID,
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_API_KEY_SID",
    "TWILIO_API_KEY_SECRET",
];

impl OtpConfig {
    pub(super) fn read(
        reader: &mut Reader,
        server: &ServerConfig,
        identity: &IdentityConfig,
    ) -> Self {
        let is_local_development = server.is_local_development(reader.environment);
        let provider = read_provider(reader, is_local_development, identity);
        Self {
            regions: reader.value("OTP_REGIONS", Regions::parse),
            test_numbers: read_test_numbers(reader, is_local_development, &provider),
            channels: reader.value("OTP_CHANNELS", |text| {
                text.split(',')
                    .map(|channel| channel.trim().parse().ok())
                    .collect()
            }),
            limits: OtpLimits::read(reader),
            provider,
        }
    }
}

/// The provider that `OTP_PROVIDER` names, or else the one that the other settings imply. If there is a problem, the
/// result is `Console`, with which no backend starts because of the problem.
fn read_provider(
    reader: &mut Reader,
    is_local_development: bool,
    identity: &IdentityConfig,
) -> OtpProviderConfig {
    let has_twilio = TWILIO_KEYS.iter().any(|key| reader.is_set(key));
    match reader.get(PROVIDER) {
        Some("twilio") => read_twilio(reader),
        None if has_twilio => read_twilio(reader),
        Some("supabase") => {
            if matches!(identity, IdentityConfig::Local) {
                reader.refuse(PROVIDER, "is supabase, which needs IDENTITY=supabase");
            }
            if has_twilio {
                reader.refuse(
                    PROVIDER,
                    "is supabase, but TWILIO_* variables are set; unset them, or set it to twilio",
                );
            }
            OtpProviderConfig::Supabase
        }
        Some("console") if is_local_development => {
            if has_twilio {
                reader.warn(
                    PROVIDER,
                    "is console, so TWILIO_* variables are ignored and no message is sent",
                );
            }
            OtpProviderConfig::Console
        }
        None if is_local_development => OtpProviderConfig::Console,
        unusable => {
            match unusable {
                Some("console") => reader.refuse(
                    PROVIDER,
                    "is console, which prints codes; that works in development on a loopback HOST only",
                ),
                None => reader.refuse(
                    PROVIDER,
                    "is not set; set it to twilio or supabase (console works in development on a loopback HOST only)",
                ),
                Some(_) => reader.refuse_invalid(PROVIDER),
            }
            OtpProviderConfig::Console
        }
    }
}

/// Twilio as configured; `Console` if there is a problem.
fn read_twilio(reader: &mut Reader) -> OtpProviderConfig {
    let service_sid = reader.get(SERVICE_SID).filter(|sid| sid.starts_with("VA"));
    if service_sid.is_none() {
        reader.refuse_invalid(SERVICE_SID);
    }
    let credentials = read_twilio_credentials(reader);
    let is_production = reader.is_production();
    let stand_in = reader.optional("TWILIO_BASE_URL", |text| {
        let url = Url::parse(text).ok()?;
        (!is_production && is_loopback(&url)).then_some(url)
    });
    let (Some(service_sid), Some((username, password))) = (service_sid, credentials) else {
        return OtpProviderConfig::Console;
    };
    OtpProviderConfig::Twilio(TwilioConfig {
        username: username.to_owned(),
        password: password.into(),
        service_sid: service_sid.to_owned(),
        base_url: stand_in.unwrap_or_else(|| Url::parse(TWILIO_URL).expect("a URL")),
    })
}

/// The name and secret of an API key, or else of the account. A name without its secret is refused, and so is a
/// secret without its name: an operator would believe that this half of a pair is used.
fn read_twilio_credentials<'v>(reader: &mut Reader<'v>) -> Option<(&'v str, &'v str)> {
    let mut has_half_a_pair = false;
    let mut pair = |name: &'static str, secret: &'static str| {
        let (missing, given) = match (reader.get(name), reader.get(secret)) {
            (Some(_), None) => (secret, name),
            (None, Some(_)) => (name, secret),
            (name, secret) => return name.zip(secret),
        };
        has_half_a_pair = true;
        let message = format!("is not set, but {given} is; set both or neither");
        reader.refuse(missing, message);
        None
    };
    let api_key = pair("TWILIO_API_KEY_SID", "TWILIO_API_KEY_SECRET");
    let account = pair("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN");
    let credentials = api_key.or(account);
    if credentials.is_none() && !has_half_a_pair {
        reader.refuse(
            "TWILIO_AUTH_TOKEN",
            "set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, or TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET",
        );
    }
    credentials
}

fn read_test_numbers(
    reader: &mut Reader,
    is_local_development: bool,
    provider: &OtpProviderConfig,
) -> Vec<TestNumber> {
    if !is_local_development {
        if reader.is_set(TEST_NUMBERS) {
            reader.refuse(
                TEST_NUMBERS,
                "lets every caller who knows the list sign in; it works in development on a loopback HOST only",
            );
        }
        return Vec::new();
    }
    if !reader.is_set(TEST_NUMBERS) && matches!(provider, OtpProviderConfig::Console) {
        return parse_test_numbers(DEFAULT_TEST_NUMBERS).unwrap_or_default();
    }
    let given = reader.optional(TEST_NUMBERS, parse_test_numbers);
    given.unwrap_or_default()
}

fn parse_test_numbers(list: &str) -> Option<Vec<TestNumber>> {
    let entries = list.split(',').map(str::trim);
    let entries = entries.filter(|entry| !entry.is_empty());
    entries
        .map(|entry| {
            let (phone, code) = entry.split_once('=')?;
            let is_code =
                (4..=10).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit());
            is_code.then_some(TestNumber {
                phone: Phone::parse(phone)?,
                code: code.to_owned(),
            })
        })
        .collect()
}
