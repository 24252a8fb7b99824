//! `OTP_PER_*`, `OTP_JOINS_*`, `OTP_WRONG_*` and `OTP_BREAKER_*`: how many codes may be sent and tried.

use super::{Problems, Variables};

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

impl OtpLimits {
    pub(super) fn read(variables: &Variables, found: &mut Problems) -> Self {
        let mut limits = Self::default();
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
}
