//! `OTP_*` and `TWILIO_*`: how people prove that a number is theirs, and how much that may cost.

use std::fmt;

use secrecy::SecretString;
use url::Url;

use super::{Environment, IdentityConfig, Problems, ServerConfig, Variables};
use crate::otp::Channel;
use crate::phone::Phone;
use crate::phone_region::Regions;

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

/// How many codes may be sent and tried. Windows are of the clock's full hours and days, UTC, unless
/// something else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtpLimits {
    /// To one number in an hour.
    pub per_phone_hour: u32,
    /// To one number in a day.
    pub per_phone_day: u32,
    /// For one address in an hour; of IPv6 for one /64, with twice as many for a /56 and four times for a
    /// /48. It and the two above count numbers to which the provider refuses to send, too.
    pub per_ip_hour: u32,
    /// To one block of ten thousand numbers in an hour.
    pub per_prefix_hour: u32,
    /// To one country in a day.
    pub per_country_day: u32,
    /// In all in a day: the spend cap. A fifth of it goes out in one hour at most, a twelfth in ten
    /// minutes.
    pub per_day: u32,
    /// The last part of `per_day`, for known devices alone.
    pub known_device_reserve: u32,
    /// Starts for one number in an hour that send nothing, because its code still lives.
    pub joins_per_phone_hour: u32,
    /// The same for one address; and as many that ask the provider, also while it is away.
    pub joins_per_ip_hour: u32,
    /// Wrong codes for one number from one network in any 24 hours.
    pub wrong_per_phone_network_day: u32,
    /// Wrong codes for one number in any 24 hours.
    pub wrong_per_phone_day: u32,
    /// Wrong codes from one address in an hour, with more for the networks around it.
    pub wrong_per_ip_hour: u32,
    /// So many wrong codes in all in an hour raise an alarm. They refuse nothing.
    pub wrong_per_hour: u32,
    /// Codes to one block of ten thousand numbers in two hours that prove something about it; as many of
    /// a block weigh for its country.
    pub breaker_prefix_codes: u32,
    /// The same for a country.
    pub breaker_country_codes: u32,
    /// Percent of them that have to be confirmed, or no more are sent there for an hour. 0: any will do.
    pub breaker_percent: u32,
}

impl Default for OtpLimits {
    fn default() -> Self {
        Self {
            per_phone_hour: 3,
            per_phone_day: 6,
            per_ip_hour: 15,
            per_prefix_hour: 30,
            per_country_day: 400,
            per_day: 500,
            known_device_reserve: 100,
            joins_per_phone_hour: 30,
            joins_per_ip_hour: 60,
            wrong_per_phone_network_day: 10,
            wrong_per_phone_day: 30,
            wrong_per_ip_hour: 30,
            wrong_per_hour: 1_000,
            breaker_prefix_codes: 10,
            breaker_country_codes: 50,
            breaker_percent: 20,
        }
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
            limits: read_limits(variables, found),
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

/// Whoever says console in development may keep what production needs, but should know that it idles.
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
/// that somebody believes to be in use.
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

fn read_limits(variables: &Variables, found: &mut Problems) -> OtpLimits {
    let mut limits = OtpLimits::default();
    for (key, limit) in [
        ("OTP_PER_PHONE_HOUR", &mut limits.per_phone_hour),
        ("OTP_PER_PHONE_DAY", &mut limits.per_phone_day),
        ("OTP_PER_IP_HOUR", &mut limits.per_ip_hour),
        ("OTP_PER_PREFIX_HOUR", &mut limits.per_prefix_hour),
        ("OTP_PER_COUNTRY_DAY", &mut limits.per_country_day),
        ("OTP_PER_DAY", &mut limits.per_day),
        ("OTP_KNOWN_DEVICE_RESERVE", &mut limits.known_device_reserve),
        ("OTP_JOINS_PER_PHONE_HOUR", &mut limits.joins_per_phone_hour),
        ("OTP_JOINS_PER_IP_HOUR", &mut limits.joins_per_ip_hour),
        (
            "OTP_WRONG_PER_PHONE_NETWORK_DAY",
            &mut limits.wrong_per_phone_network_day,
        ),
        ("OTP_WRONG_PER_PHONE_DAY", &mut limits.wrong_per_phone_day),
        ("OTP_WRONG_PER_IP_HOUR", &mut limits.wrong_per_ip_hour),
        ("OTP_WRONG_PER_HOUR", &mut limits.wrong_per_hour),
        ("OTP_BREAKER_PREFIX_CODES", &mut limits.breaker_prefix_codes),
        (
            "OTP_BREAKER_COUNTRY_CODES",
            &mut limits.breaker_country_codes,
        ),
        ("OTP_BREAKER_PERCENT", &mut limits.breaker_percent),
    ] {
        match variables.get(key).map(str::parse) {
            None => {}
            Some(Ok(number)) => *limit = number,
            Some(Err(_)) => found.push(key, "must be a number"),
        }
    }
    if limits.known_device_reserve > limits.per_day {
        found.push("OTP_KNOWN_DEVICE_RESERVE", "must not exceed OTP_PER_DAY");
    }
    if limits.breaker_percent > 100 {
        found.push("OTP_BREAKER_PERCENT", "must be a percentage, 0 to 100");
    }
    limits
}
