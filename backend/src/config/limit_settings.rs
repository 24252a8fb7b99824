//! Reads the limits on codes: `OTP_PER_*`, `OTP_JOINS_*`, `OTP_WRONG_*` and `OTP_BREAKER_*`.

use std::ops::RangeInclusive;

use super::settings::{SETTINGS, ValueKind, setting};
use super::{OtpLimits, Reader};

/// Pairs of a limit and the wider limit that it must not exceed, because the wider one would be reached first.
const LIMIT_AND_WIDER: [(&str, &str); 7] = [
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
            if let ValueKind::Limit { max, field } = setting.kind {
                let accepted = accepted_numbers(setting.key, max, reader);
                match reader.get(setting.key).map(str::parse) {
                    None => {}
                    Some(Ok(number)) if accepted.contains(&number) => *field(&mut limits) = number,
                    Some(_) => {
                        let (min, max) = accepted.into_inner();
                        let message = format!("must be a whole number from {min} to {max}");
                        reader.refuse(setting.key, message);
                    }
                }
            }
        }
        limits.cap_by_wider(reader);
        limits
    }

    /// Refuses a setting that exceeds its wider limit. A default that exceeds its wider limit is lowered to it.
    fn cap_by_wider(&mut self, reader: &mut Reader) {
        if !reader.is_set("OTP_KNOWN_DEVICE_RESERVE") {
            // By default, known devices have at most a fifth of all codes for themselves.
            self.known_device_reserve = self.known_device_reserve.min(self.per_day / 5);
        }
        for (key, wider) in LIMIT_AND_WIDER {
            let wider_limit = *self.limit_mut(wider);
            let limit = *self.limit_mut(key);
            if limit > wider_limit && reader.is_set(key) {
                reader.refuse(
                    key,
                    format!("is {limit}, which is more than {wider} ({wider_limit})"),
                );
            }
            *self.limit_mut(key) = wider_limit.min(limit);
        }
    }

    fn limit_mut(&mut self, key: &str) -> &mut u32 {
        match setting(key).kind {
            ValueKind::Limit { field, .. } => field(self),
            _ => unreachable!("{key} is no limit"),
        }
    }
}

/// The numbers that a limit may have. Only production has a maximum for counts, because a development backend has no
/// people to protect. A percentage has its maximum everywhere.
fn accepted_numbers(key: &str, max_in_production: u32, reader: &Reader) -> RangeInclusive<u32> {
    let is_production = reader.is_production();
    let min = match key {
        "OTP_KNOWN_DEVICE_RESERVE" => 0,
        // 0 switches the breaker off. Production refuses that: codes would go on to numbers that never confirm one.
        "OTP_BREAKER_PERCENT" if !is_production => 0,
        _ => 1,
    };
    if is_production || key == "OTP_BREAKER_PERCENT" {
        min..=max_in_production
    } else {
        min..=u32::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Variables};

    fn refused_keys(environment: Environment, pairs: &[(&str, &str)]) -> Vec<&'static str> {
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
    fn limits_out_of_range_are_refused_and_development_allows_higher_ones() {
        use Environment::{Development, Production};
        for (key, value) in [
            ("OTP_PER_PHONE_HOUR", "31"),
            ("OTP_PER_IP_HOUR", "4294967295"),
            ("OTP_WRONG_PER_PHONE_DAY", "1000000"),
            ("OTP_PER_DAY", "99999999"),
            ("OTP_BREAKER_PERCENT", "0"),
            ("OTP_JOINS_PER_IP_HOUR", "100000"),
        ] {
            assert!(
                refused_keys(Production, &[(key, value)]).contains(&key),
                "{key}"
            );
            let in_development = refused_keys(Development, &[(key, value)]);
            // Development refuses this one too: it is more than the default of OTP_PER_PHONE_DAY.
            assert!(
                !in_development.contains(&key) || key == "OTP_PER_PHONE_HOUR",
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
                assert!(
                    refused_keys(environment, &[(key, value)]).contains(&key),
                    "{key}"
                );
            }
        }
        assert_eq!(
            refused_keys(Production, &[("OTP_KNOWN_DEVICE_RESERVE", "0")]),
            [""; 0]
        );
        assert_eq!(refused_keys(Production, &[]), [""; 0]);
    }

    #[test]
    fn a_setting_above_its_wider_limit_is_refused_and_a_default_is_lowered() {
        for (pairs, refused) in [
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
            assert_eq!(
                refused_keys(Environment::Development, pairs),
                [refused],
                "{pairs:?}"
            );
        }
        let small = Variables::of([("OTP_PER_DAY", "8")]);
        let mut reader = Reader::new(&small, Environment::Production);
        let limits = OtpLimits::read(&mut reader);
        assert!(reader.problems.0.is_empty());
        assert_eq!(
            (limits.per_country_day, limits.known_device_reserve),
            (8, 1)
        );
        let both_raised = [("OTP_PER_COUNTRY_DAY", "900"), ("OTP_PER_DAY", "1000")];
        assert_eq!(refused_keys(Environment::Production, &both_raised), [""; 0]);
    }
}
