//! `OTP_*` and `TWILIO_*`: how people prove that a number is theirs, and how much that may cost.

use std::fmt;

use secrecy::SecretString;
use url::Url;

use super::{Environment, IdentityConfig, OtpLimits, Problems, ServerConfig, Variables};
use crate::phone::Phone;
use crate::phone_region::Regions;

/// How a code travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A text message.
    Sms,
    /// A voice reads it out.
    Call,
    /// A `WhatsApp` message.
    WhatsApp,
}

impl Channel {
    /// As it is written on the wire.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Sms, Self::Call, Self::WhatsApp]
            .into_iter()
            .find(|channel| channel.as_str() == text)
    }

    /// As it is written on the wire, ours and Twilio's.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Call => "call",
            Self::WhatsApp => "whatsapp",
        }
    }
}

/// Who sends codes, to whom, and how many.
#[derive(Debug)]
pub struct OtpConfig {
    /// Who sends and checks them.
    pub provider: OtpProviderConfig,
    /// Numbers that get no message and whose code is fixed. Empty outside development on loopback.
    pub test_numbers: Vec<TestNumber>,
    /// The regions whose numbers are served.
    pub regions: Regions,
    /// How codes may travel. The first is taken where a client names none.
    pub channels: Vec<Channel>,
    /// How many codes may go out.
    pub limits: OtpLimits,
}

/// Who sends and checks codes.
#[derive(Debug)]
pub enum OtpProviderConfig {
    /// The terminal of a developer.
    Console,
    /// Twilio Verify.
    Twilio(TwilioConfig),
    /// Supabase Auth's own.
    Supabase,
}

/// A Twilio Verify service.
pub struct TwilioConfig {
    /// Account SID, or the SID of an API key.
    pub username: String,
    /// Auth token, or the secret of that API key.
    pub password: SecretString,
    /// `VA…`.
    pub service_sid: String,
    /// `https://verify.twilio.com`, unless `TWILIO_BASE_URL` names a stand-in on this machine.
    pub base_url: Url,
}

impl fmt::Debug for TwilioConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TwilioConfig(…)")
    }
}

/// A number with a fixed code, for development.
#[derive(Clone, PartialEq, Eq)]
pub struct TestNumber {
    /// The number.
    pub phone: Phone,
    /// Its code.
    pub code: String,
}

impl TestNumber {
    /// How many digits its code has.
    pub fn code_length(&self) -> u32 {
        u32::try_from(self.code.len()).expect("ten at most")
    }
}

impl fmt::Debug for TestNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}=…", self.phone)
    }
}

/// The seed's own number and code.
const DEFAULT_TEST_NUMBERS: &str = "+15551234567=123456";
const TWILIO_URL: &str = "https://verify.twilio.com";
/// Any of them means Twilio. `TWILIO_BASE_URL` alone is none: it tells where, not who.
const TWILIO_KEYS: [&str; 5] = [
    "TWILIO_VERIFY_SERVICE_SID",
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_API_KEY_SID",
    "TWILIO_API_KEY_SECRET",
];

impl OtpConfig {
    pub(super) fn read(
        variables: &Variables,
        environment: Environment,
        server: &ServerConfig,
        identity: &IdentityConfig,
        found: &mut Problems,
        warnings: &mut Problems,
    ) -> Self {
        let is_own_machine =
            environment == Environment::Development && server.address.ip().is_loopback();
        let provider = read_provider(variables, environment, is_own_machine, identity, found);
        warn_of_idle_twilio(variables, &provider, warnings);
        let regions = match variables.get("OTP_REGIONS").map(str::parse) {
            None => Regions::default(),
            Some(Ok(regions)) => regions,
            Some(Err(error)) => {
                let error: crate::phone_region::InvalidRegions = error;
                found.push("OTP_REGIONS", error.to_string());
                Regions::default()
            }
        };
        let test_numbers = read_test_numbers(variables, is_own_machine, &provider, found);
        Self {
            provider,
            test_numbers,
            regions,
            channels: read_channels(variables, found),
            limits: OtpLimits::read(variables, environment, found),
        }
    }
}

fn read_provider(
    variables: &Variables,
    environment: Environment,
    is_own_machine: bool,
    identity: &IdentityConfig,
    found: &mut Problems,
) -> OtpProviderConfig {
    const KEY: &str = "OTP_PROVIDER";
    let any_twilio = TWILIO_KEYS.iter().any(|key| variables.get(key).is_some());
    let twilio = |found: &mut Problems| {
        read_twilio(variables, environment, found)
            .map_or(OtpProviderConfig::Console, OtpProviderConfig::Twilio)
    };
    match variables.get(KEY) {
        Some("twilio") => twilio(found),
        None if any_twilio => twilio(found),
        Some("supabase") => {
            if matches!(identity, IdentityConfig::Local) {
                found.push(KEY, "is supabase, which needs IDENTITY=supabase");
            }
            if any_twilio {
                found.push(
                    KEY,
                    "is supabase, but TWILIO_* variables are set; unset them, or set it to twilio",
                );
            }
            OtpProviderConfig::Supabase
        }
        Some("console") | None if is_own_machine => OtpProviderConfig::Console,
        Some("console") => {
            found.push(
                KEY,
                "is console, which prints codes; that works in development on a loopback HOST only",
            );
            OtpProviderConfig::Console
        }
        None => {
            found.push(
                KEY,
                "is not set; set it to twilio or supabase (console works in development on a loopback HOST only)",
            );
            OtpProviderConfig::Console
        }
        Some(_) => {
            found.push(KEY, "must be twilio, supabase or console");
            OtpProviderConfig::Console
        }
    }
}

/// A developer who sets console may keep what production needs, but is told that it has no effect.
fn warn_of_idle_twilio(
    variables: &Variables,
    provider: &OtpProviderConfig,
    warnings: &mut Problems,
) {
    let is_console = matches!(provider, OtpProviderConfig::Console);
    let is_idle = variables.get("OTP_PROVIDER") == Some("console")
        && TWILIO_KEYS.iter().any(|key| variables.get(key).is_some());
    if is_console && is_idle {
        warnings.push(
            "OTP_PROVIDER",
            "is console, so TWILIO_* variables are ignored and no message is sent",
        );
    }
}

fn read_twilio(
    variables: &Variables,
    environment: Environment,
    found: &mut Problems,
) -> Option<TwilioConfig> {
    let service_sid = variables.get("TWILIO_VERIFY_SERVICE_SID");
    if service_sid.is_none_or(|sid| !sid.starts_with("VA")) {
        found.push(
            "TWILIO_VERIFY_SERVICE_SID",
            "must be the SID of a Verify service, which begins with VA",
        );
    }
    let credentials = read_twilio_credentials(variables, found);
    let base_url = match variables.get("TWILIO_BASE_URL") {
        None => Url::parse(TWILIO_URL).ok(),
        Some(text) => {
            let near =
                |url: &Url| environment == Environment::Development && super::is_loopback(url);
            let url = Url::parse(text).ok().filter(near);
            if url.is_none() {
                found.push(
                    "TWILIO_BASE_URL",
                    "names a stand-in for Twilio, which works in development on this machine only",
                );
            }
            url
        }
    };
    let (username, password) = credentials?;
    Some(TwilioConfig {
        username,
        password: password.into(),
        service_sid: service_sid?.to_owned(),
        base_url: base_url?,
    })
}

/// An API key if there is one, else the account's own token; never half of either, which would be a key
/// that an operator believes to be in use.
fn read_twilio_credentials(
    variables: &Variables,
    found: &mut Problems,
) -> Option<(String, String)> {
    let mut is_half = false;
    let mut pair = |name: &'static str, secret: &'static str| {
        let pair = (variables.get(name), variables.get(secret));
        let (missing, given) = match pair {
            (Some(name), Some(secret)) => return Some((name.to_owned(), secret.to_owned())),
            (None, None) => return None,
            (Some(_), None) => (secret, name),
            (None, Some(_)) => (name, secret),
        };
        is_half = true;
        found.push(
            missing,
            format!("is not set, but {given} is; set both or neither"),
        );
        None
    };
    let api_key = pair("TWILIO_API_KEY_SID", "TWILIO_API_KEY_SECRET");
    let account = pair("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN");
    let credentials = api_key.or(account);
    if credentials.is_none() && !is_half {
        found.push(
            "TWILIO_AUTH_TOKEN",
            "set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, or TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET",
        );
    }
    credentials
}

fn read_channels(variables: &Variables, found: &mut Problems) -> Vec<Channel> {
    const KEY: &str = "OTP_CHANNELS";
    let Some(text) = variables.get(KEY) else {
        return vec![Channel::Sms];
    };
    let channels = text.split(',').map(str::trim).map(Channel::parse);
    channels.collect::<Option<Vec<_>>>().unwrap_or_else(|| {
        found.push(
            KEY,
            "must be of sms, call and whatsapp, separated by commas",
        );
        vec![Channel::Sms]
    })
}

fn read_test_numbers(
    variables: &Variables,
    is_own_machine: bool,
    provider: &OtpProviderConfig,
    found: &mut Problems,
) -> Vec<TestNumber> {
    const KEY: &str = "OTP_TEST_NUMBERS";
    let given = variables.get(KEY);
    if !is_own_machine {
        if given.is_some() {
            found.push(
                KEY,
                "lets anybody in who knows the list; it works in development on a loopback HOST only",
            );
        }
        return Vec::new();
    }
    let default = match provider {
        OtpProviderConfig::Console => DEFAULT_TEST_NUMBERS,
        OtpProviderConfig::Twilio(_) | OtpProviderConfig::Supabase => "",
    };
    let entries = given.unwrap_or(default).split(',').map(str::trim);
    let numbers: Option<Vec<_>> = entries
        .filter(|entry| !entry.is_empty())
        .map(parse_test_number)
        .collect();
    numbers.unwrap_or_else(|| {
        found.push(
            KEY,
            "must be numbers and codes such as +15551234567=123456, separated by commas",
        );
        Vec::new()
    })
}

fn parse_test_number(entry: &str) -> Option<TestNumber> {
    let (phone, code) = entry.split_once('=')?;
    let is_code = (4..=10).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_digit());
    let phone = Phone::parse(phone)?;
    is_code.then(|| TestNumber {
        phone,
        code: code.to_owned(),
    })
}
