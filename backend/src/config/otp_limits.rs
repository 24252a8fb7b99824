//! `OTP_PER_*`, `OTP_JOINS_*`, `OTP_WRONG_*` and `OTP_BREAKER_*`: how many codes may be sent and tried.

use super::{Environment, Problems, Variables};

/// How many codes may be sent and tried. Windows are of the clock's full hours and days, UTC, unless
/// something else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtpLimits {
    /// To one number in an hour.
    pub per_phone_hour: u32,
    /// To one number in a day.
    pub per_phone_day: u32,
    /// For one address in an hour; of IPv6 for one /64, with twice as many for a /56 and four times for a
    /// /48. It and the two above count numbers to which the provider refuses to send, too. Besides, no
    /// network has more than a third of what may go out to all in the same time.
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

/// A limit's variable, and up to which number it limits anything.
type Entry<'l> = (&'static str, &'l mut u32, u32);

impl OtpLimits {
    fn entries(&mut self) -> [Entry<'_>; 16] {
        [
            ("OTP_PER_PHONE_HOUR", &mut self.per_phone_hour, 30),
            ("OTP_PER_PHONE_DAY", &mut self.per_phone_day, 100),
            ("OTP_PER_IP_HOUR", &mut self.per_ip_hour, 1_000),
            ("OTP_PER_PREFIX_HOUR", &mut self.per_prefix_hour, 10_000),
            ("OTP_PER_COUNTRY_DAY", &mut self.per_country_day, 1_000_000),
            ("OTP_PER_DAY", &mut self.per_day, 1_000_000),
            (
                "OTP_KNOWN_DEVICE_RESERVE",
                &mut self.known_device_reserve,
                1_000_000,
            ),
            (
                "OTP_JOINS_PER_PHONE_HOUR",
                &mut self.joins_per_phone_hour,
                1_000,
            ),
            ("OTP_JOINS_PER_IP_HOUR", &mut self.joins_per_ip_hour, 10_000),
            (
                "OTP_WRONG_PER_PHONE_NETWORK_DAY",
                &mut self.wrong_per_phone_network_day,
                100,
            ),
            // A code of six digits is guessed within a year if more than a thousand a day may be tried.
            (
                "OTP_WRONG_PER_PHONE_DAY",
                &mut self.wrong_per_phone_day,
                300,
            ),
            ("OTP_WRONG_PER_IP_HOUR", &mut self.wrong_per_ip_hour, 1_000),
            ("OTP_WRONG_PER_HOUR", &mut self.wrong_per_hour, 1_000_000),
            (
                "OTP_BREAKER_PREFIX_CODES",
                &mut self.breaker_prefix_codes,
                1_000,
            ),
            (
                "OTP_BREAKER_COUNTRY_CODES",
                &mut self.breaker_country_codes,
                10_000,
            ),
            ("OTP_BREAKER_PERCENT", &mut self.breaker_percent, 100),
        ]
    }

    /// Key and value of each.
    pub(super) fn shown(mut self) -> impl Iterator<Item = (&'static str, String)> {
        self.entries()
            .map(|(key, limit, _)| (key, limit.to_string()))
            .into_iter()
    }

    pub(super) fn read(
        variables: &Variables,
        environment: Environment,
        found: &mut Problems,
    ) -> Self {
        let mut limits = Self::default();
        for (key, limit, most) in limits.entries() {
            let least = match key {
                "OTP_KNOWN_DEVICE_RESERVE" => 0,
                // Without the breaker, codes go on to numbers that never confirm one.
                "OTP_BREAKER_PERCENT" if environment == Environment::Development => 0,
                _ => 1,
            };
            // A backend in development sends no messages, so a limit that is too high costs nothing.
            let most = match environment {
                Environment::Production => most,
                Environment::Development if key == "OTP_BREAKER_PERCENT" => most,
                Environment::Development => u32::MAX,
            };
            match variables.get(key).map(str::parse) {
                None => {}
                Some(Ok(number)) if (least..=most).contains(&number) => *limit = number,
                Some(_) => found.push(
                    key,
                    format!("must be a whole number from {least} to {most}"),
                ),
            }
        }
        limits.compare(variables, found);
        limits
    }

    /// Names limits that cannot be reached, because a wider one ends before them. A limit without a
    /// setting follows the wider one.
    fn compare(&mut self, variables: &Variables, found: &mut Problems) {
        if variables.get("OTP_KNOWN_DEVICE_RESERVE").is_none() {
            self.known_device_reserve = self.known_device_reserve.min(self.per_day / 5);
        }
        for (key, limit, wider, most) in [
            (
                "OTP_PER_COUNTRY_DAY",
                &mut self.per_country_day,
                "OTP_PER_DAY",
                self.per_day,
            ),
            (
                "OTP_KNOWN_DEVICE_RESERVE",
                &mut self.known_device_reserve,
                "OTP_PER_DAY",
                self.per_day,
            ),
            (
                "OTP_PER_PHONE_DAY",
                &mut self.per_phone_day,
                "OTP_PER_DAY",
                self.per_day,
            ),
            (
                "OTP_WRONG_PER_PHONE_NETWORK_DAY",
                &mut self.wrong_per_phone_network_day,
                "OTP_WRONG_PER_PHONE_DAY",
                self.wrong_per_phone_day,
            ),
            (
                "OTP_BREAKER_PREFIX_CODES",
                &mut self.breaker_prefix_codes,
                "OTP_BREAKER_COUNTRY_CODES",
                self.breaker_country_codes,
            ),
        ] {
            narrow(variables, found, (key, limit), (wider, most));
        }
        let (day, country) = (self.per_phone_day, self.per_country_day);
        let hour = ("OTP_PER_PHONE_HOUR", &mut self.per_phone_hour);
        narrow(variables, found, hour, ("OTP_PER_PHONE_DAY", day));
        let prefix = ("OTP_PER_PREFIX_HOUR", &mut self.per_prefix_hour);
        narrow(variables, found, prefix, ("OTP_PER_COUNTRY_DAY", country));
    }
}

fn narrow(
    variables: &Variables,
    found: &mut Problems,
    (key, limit): (&'static str, &mut u32),
    (wider, most): (&str, u32),
) {
    if *limit > most && variables.get(key).is_some() {
        found.push(
            key,
            format!("is {limit}, which is more than {wider} ({most})"),
        );
    }
    *limit = most.min(*limit);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(environment: Environment, pairs: &[(&str, &str)]) -> Vec<&'static str> {
        let mut found = Problems::default();
        OtpLimits::read(
            &Variables::of(pairs.iter().copied()),
            environment,
            &mut found,
        );
        found.as_slice().iter().map(|problem| problem.key).collect()
    }

    #[test]
    fn production_refuses_limits_that_limit_nothing() {
        use Environment::{Development, Production};
        for (key, value) in [
            ("OTP_PER_PHONE_HOUR", "31"),
            ("OTP_PER_IP_HOUR", "4294967295"),
            ("OTP_WRONG_PER_PHONE_DAY", "1000000"),
            ("OTP_PER_DAY", "99999999"),
            ("OTP_BREAKER_PERCENT", "0"),
            ("OTP_JOINS_PER_IP_HOUR", "100000"),
        ] {
            assert!(read(Production, &[(key, value)]).contains(&key), "{key}");
            let elsewhere = read(Development, &[(key, value)]);
            assert!(
                !elsewhere.contains(&key) || key == "OTP_PER_PHONE_HOUR",
                "{key}"
            );
        }
        for (key, value) in [
            ("OTP_PER_DAY", "0"),
            ("OTP_PER_IP_HOUR", "-1"),
            ("OTP_BREAKER_PERCENT", "101"),
            ("OTP_WRONG_PER_HOUR", "many"),
        ] {
            for environment in [Production, Development] {
                assert!(read(environment, &[(key, value)]).contains(&key), "{key}");
            }
        }
        assert_eq!(
            read(Production, &[("OTP_KNOWN_DEVICE_RESERVE", "0")]),
            [""; 0]
        );
        assert_eq!(read(Production, &[]), [""; 0]);
    }

    #[test]
    fn a_limit_beyond_a_wider_one_is_named() {
        for (pairs, named) in [
            (&[("OTP_PER_PHONE_HOUR", "7")][..], "OTP_PER_PHONE_HOUR"),
            (&[("OTP_PER_COUNTRY_DAY", "501")], "OTP_PER_COUNTRY_DAY"),
            (
                &[("OTP_KNOWN_DEVICE_RESERVE", "501")],
                "OTP_KNOWN_DEVICE_RESERVE",
            ),
            (
                &[("OTP_WRONG_PER_PHONE_NETWORK_DAY", "31")],
                "OTP_WRONG_PER_PHONE_NETWORK_DAY",
            ),
            (
                &[("OTP_BREAKER_PREFIX_CODES", "51")],
                "OTP_BREAKER_PREFIX_CODES",
            ),
            (
                &[("OTP_PER_DAY", "300"), ("OTP_PER_COUNTRY_DAY", "400")],
                "OTP_PER_COUNTRY_DAY",
            ),
        ] {
            assert_eq!(read(Environment::Development, pairs), [named], "{pairs:?}");
        }
        let small = Variables::of([("OTP_PER_DAY", "8")]);
        let mut found = Problems::default();
        let limits = OtpLimits::read(&small, Environment::Production, &mut found);
        assert!(found.as_slice().is_empty());
        assert_eq!(
            (limits.per_country_day, limits.known_device_reserve),
            (8, 1)
        );
        let both = [("OTP_PER_COUNTRY_DAY", "900"), ("OTP_PER_DAY", "1000")];
        assert_eq!(read(Environment::Production, &both), [""; 0]);
    }
}
