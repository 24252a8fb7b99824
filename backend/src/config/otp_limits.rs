//! The limits on codes and their defaults. `limit_settings` reads them from the environment.

/// How many codes may be sent and tried. An hour or a day is a full one of the UTC clock, unless the field says
/// otherwise. A *known device* is one on which a person has signed in with the number before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtpLimits {
    /// Codes to one number in an hour. A code that the provider refuses to send to the number counts here, in
    /// `per_phone_day` and in `per_ip_hour`, but in no other limit on codes.
    pub per_phone_hour: u32,
    /// Codes to one number in a day.
    pub per_phone_day: u32,
    /// Codes for one client address in an hour. An IPv6 client counts by its /64; a /56 may have twice as many codes,
    /// and a /48 four times as many. No network may have more than a third of the codes that are allowed for all
    /// clients together in the same time.
    pub per_ip_hour: u32,
    /// Codes to one block of ten thousand numbers in an hour.
    pub per_prefix_hour: u32,
    /// Codes to one country in a day.
    pub per_country_day: u32,
    /// All codes of a day, which limits the cost. At most a fifth of them are sent in one hour, and at most a twelfth
    /// in ten minutes.
    pub per_day: u32,
    /// How many codes of `per_day` are reserved for known devices.
    pub known_device_reserve: u32,
    /// Joins for one number in an hour. A join is a request for a code that sends none, because an earlier code is
    /// still valid.
    pub joins_per_phone_hour: u32,
    /// Joins for one address in an hour. Requests that make the backend ask the provider for a new code have the same
    /// limit with a count of their own, which includes those that the provider does not answer.
    pub joins_per_ip_hour: u32,
    /// Wrong codes for one number from one network in any 24 hours.
    pub wrong_per_phone_network_day: u32,
    /// Wrong codes for one number in any 24 hours.
    pub wrong_per_phone_day: u32,
    /// Wrong codes from one address in an hour. The networks that contain the address have higher limits.
    pub wrong_per_ip_hour: u32,
    /// The number of all wrong codes in an hour that raises an alarm. No code is refused because of it.
    pub wrong_per_hour: u32,
    /// The breaker stops codes to a block of ten thousand numbers or to a country if too few of them are confirmed. It
    /// judges a block once so many codes went to it within two hours. When it judges a country, each block of the
    /// country counts for at most so many codes.
    pub breaker_prefix_codes: u32,
    /// The breaker judges a country once so many codes went to it within two hours.
    pub breaker_country_codes: u32,
    /// The percentage of codes that must be confirmed. If fewer are, the breaker stops codes to the block or country
    /// for an hour. 0 switches the breaker off.
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
