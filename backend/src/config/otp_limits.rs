//! How many codes may be sent and tried, and the defaults. `limit_settings` reads these limits.

/// How many codes may be sent and tried. A window is a full hour or day of the UTC clock, unless the field says
/// otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtpLimits {
    /// Codes to one number in an hour. This limit, `per_phone_day` and `per_ip_hour` also count codes that the
    /// provider refuses to send to their number.
    pub per_phone_hour: u32,
    /// Codes to one number in a day.
    pub per_phone_day: u32,
    /// Codes for one address in an hour; of IPv6 for one /64, with twice as many for a /56 and four times for a
    /// /48. Besides, no network has more than a third of the codes that may go out to all in the same time.
    pub per_ip_hour: u32,
    /// Codes to one block of ten thousand numbers in an hour.
    pub per_prefix_hour: u32,
    /// Codes to one country in a day.
    pub per_country_day: u32,
    /// All codes of a day: the spend cap. At most a fifth of it goes out in one hour, a twelfth in ten
    /// minutes.
    pub per_day: u32,
    /// The last part of `per_day`, for known devices alone.
    pub known_device_reserve: u32,
    /// Starts for one number in an hour that send nothing, because an earlier code is still valid.
    pub joins_per_phone_hour: u32,
    /// Such starts for one address in an hour. As many starts of an address may ask the provider, also while the
    /// provider is away.
    pub joins_per_ip_hour: u32,
    /// Wrong codes for one number from one network in any 24 hours.
    pub wrong_per_phone_network_day: u32,
    /// Wrong codes for one number in any 24 hours.
    pub wrong_per_phone_day: u32,
    /// Wrong codes from one address in an hour, with more for the networks around it.
    pub wrong_per_ip_hour: u32,
    /// The number of all wrong codes in an hour that raises an alarm. It refuses nothing.
    pub wrong_per_hour: u32,
    /// The number of codes to one block of ten thousand numbers in two hours from which the breaker judges the
    /// block. No block weighs more than that in the judgement of its country.
    pub breaker_prefix_codes: u32,
    /// The number of codes to one country in two hours from which the breaker judges the country.
    pub breaker_country_codes: u32,
    /// The percentage of codes that must be confirmed; with fewer, no codes are sent there for an hour. 0 switches
    /// the breaker off.
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
