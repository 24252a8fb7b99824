//! Reads the limits on codes: `OTP_PER_*`, `OTP_JOINS_*`, `OTP_WRONG_*` and `OTP_BREAKER_*`.

use std::ops::RangeInclusive;

use super::settings::{Kind, SETTINGS, setting};
use super::{OtpLimits, Reader};

/// Each limit with the wider one that contains it. Both are settings.
const CONTAINED: [(&str, &str); 7] = [
    ("OTP_PER_COUNTRY_DAY", "OTP_PER_DAY"),
    ("OTP_KNOWN_DEVICE_RESERVE", "OTP_PER_DAY"),
    ("OTP_PER_PHONE_DAY", "OTP_PER_DAY"),
    ("OTP_WRONG_PER_PHONE_NETWORK_DAY", "OTP_WRONG_PER_PHONE_DAY"),
    ("OTP_BREAKER_PREFIX_CODES", "OTP_BREAKER_COUNTRY_CODES"),
    ("OTP_PER_PHONE_HOUR", "OTP_PER_PHONE_DAY"),
    ("OTP_PER_PREFIX_HOUR", "OTP_PER_COUNTRY_DAY"),
];

impl OtpLimits {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let mut limits = Self::default();
        for setting in SETTINGS {
            if let Kind::Limit { most, field } = setting.kind {
                let accepted = accepted(setting.key, most, reader);
                match reader.get(setting.key).map(str::parse) {
                    None => {}
                    Some(Ok(number)) if accepted.contains(&number) => *field(&mut limits) = number,
                    Some(_) => {
                        let (least, most) = accepted.into_inner();
                        let message = format!("must be a whole number from {least} to {most}");
                        reader.refuse(setting.key, message);
                    }
                }
            }
        }
        limits.narrow(reader);
        limits
    }

    /// Refuses limits that cannot be reached, because a wider one ends before them. A limit without a
    /// setting follows the wider one.
    fn narrow(&mut self, reader: &mut Reader) {
        if !reader.is_set("OTP_KNOWN_DEVICE_RESERVE") {
            self.known_device_reserve = self.known_device_reserve.min(self.per_day / 5);
        }
        for (key, wider) in CONTAINED {
            let most = *self.of(wider);
            let limit = *self.of(key);
            if limit > most && reader.is_set(key) {
                reader.refuse(
                    key,
                    format!("is {limit}, which is more than {wider} ({most})"),
                );
            }
            *self.of(key) = most.min(limit);
        }
    }

    fn of(&mut self, key: &str) -> &mut u32 {
        match setting(key).kind {
            Kind::Limit { field, .. } => field(self),
            _ => unreachable!("{key} is no limit"),
        }
    }
}

/// The numbers that a limit may have. A backend in development sends no messages, so a limit that is too high
/// costs nothing there.
fn accepted(key: &str, most_in_production: u32, reader: &Reader) -> RangeInclusive<u32> {
    let is_production = reader.is_production();
    let least = match key {
        "OTP_KNOWN_DEVICE_RESERVE" => 0,
        // Without the breaker, codes go on to numbers that never confirm one.
        "OTP_BREAKER_PERCENT" if !is_production => 0,
        _ => 1,
    };
    if is_production || key == "OTP_BREAKER_PERCENT" {
        least..=most_in_production
    } else {
        least..=u32::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Variables};

    fn read(environment: Environment, pairs: &[(&str, &str)]) -> Vec<&'static str> {
        let variables = Variables::of(pairs.iter().copied());
        let mut reader = Reader::new(&variables, environment);
        OtpLimits::read(&mut reader);
        reader
            .problems
            .0
            .iter()
            .map(|problem| problem.key)
            .collect()
    }

    #[test]
    fn production_refuses_limits_that_are_too_high() {
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
        let mut reader = Reader::new(&small, Environment::Production);
        let limits = OtpLimits::read(&mut reader);
        assert!(reader.problems.0.is_empty());
        assert_eq!(
            (limits.per_country_day, limits.known_device_reserve),
            (8, 1)
        );
        let both = [("OTP_PER_COUNTRY_DAY", "900"), ("OTP_PER_DAY", "1000")];
        assert_eq!(read(Environment::Production, &both), [""; 0]);
    }
}
