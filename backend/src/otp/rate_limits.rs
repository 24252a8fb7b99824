//! The rate limits of sending and of confirming codes.
//!
//! Known and unknown devices share every counter, but the limit of a known device is higher. So unknown devices
//! cannot use up the reserved part. The key of a counter is a keyed hash, which reveals no number and no address.
//!
//! A client's address counts in each network that contains it, because one rented server can have a whole /48.
//! The daily budget of paid messages is also limited by the hour and by ten minutes, so that a burst leaves a part
//! of it for later.

use std::net::IpAddr;

use super::{Device, Inner};
use crate::client_network::client_networks;
use crate::phone::Phone;
use crate::store::otp::SendGuard;
use crate::store::{Area, Block, Breaker, Limit, Window};

/// The part of each limit that only known devices may use. A join is a request that shares an earlier code.
mod reserved {
    pub(super) const SENDS_PER_PHONE_HOUR: u32 = 2;
    pub(super) const SENDS_PER_PHONE_DAY: u32 = 4;
    pub(super) const SENDS_PER_IP: u32 = 10;
    pub(super) const SENDS_PER_PREFIX: u32 = 10;
    pub(super) const JOINS_PER_PHONE: u32 = 10;
    pub(super) const JOINS_PER_IP: u32 = 20;
    pub(super) const ATTEMPTS_PER_PHONE: u32 = 5;
    pub(super) const ATTEMPTS_PER_IP: u32 = 15;
}

/// At most 1/5 of the daily codes go out in one hour, and at most 1/12 in ten minutes.
const HOUR_DIVISOR: u32 = 5;
const TEN_MINUTES_DIVISOR: u32 = 12;
/// The smallest part of the daily codes for an hour or ten minutes, so that a small daily budget stays usable.
const MIN_BUDGET_PART: u32 = 20;
/// One network may use at most 1/3 of the codes that may be sent to everyone in the same time, so that one rented
/// server leaves most of them to others.
const NETWORK_DIVISOR: u32 = 3;
/// The smallest part for one network.
const MIN_NETWORK_PART: u32 = 10;

impl Device {
    /// The limit for this device. A known device has the reserved part in addition.
    fn limit(self, public: u32, reserved: u32) -> u32 {
        match self {
            Self::Known => public.saturating_add(reserved),
            Self::Unknown => public,
        }
    }
}

impl Inner {
    /// The limits and breakers of sending a code to `phone`, or of sharing its live code.
    pub(super) fn send_guard(&self, phone: &Phone, client: IpAddr, device: Device) -> SendGuard {
        let limits = &self.limits;
        let (number, prefix) = (self.phone_key(phone), self.prefix_key(phone));
        let (country, all) = (self.country_key(phone), self.all_key());
        let (hour, day, ten_minutes) = (Window::HOUR, Window::DAY, Window::TEN_MINUTES);
        let limit = |scope, key, window, max| Limit {
            scope,
            key,
            window,
            max,
        };
        let per_network = |scope, per_hour| self.per_network(scope, client, hour, per_hour);

        let mut answers = per_network(
            "send_ip_hour",
            device.limit(limits.per_ip_hour, reserved::SENDS_PER_IP),
        );
        let phone_hour = device.limit(limits.per_phone_hour, reserved::SENDS_PER_PHONE_HOUR);
        let phone_day = device.limit(limits.per_phone_day, reserved::SENDS_PER_PHONE_DAY);
        answers.extend([
            limit("send_phone_hour", number, hour, phone_hour),
            limit("send_phone_day", number, day, phone_day),
        ]);

        let joins_per_ip = device.limit(limits.joins_per_ip_hour, reserved::JOINS_PER_IP);
        let joins_per_phone = device.limit(limits.joins_per_phone_hour, reserved::JOINS_PER_PHONE);
        let mut joins = per_network("join_ip_hour", joins_per_ip);
        joins.push(limit("join_phone_hour", number, hour, joins_per_phone));

        let reserve = limits.known_device_reserve;
        let prefix_hour = device.limit(limits.per_prefix_hour, reserved::SENDS_PER_PREFIX);
        let country_day = device.limit(limits.per_country_day, reserve);
        let in_hour = device.limit(budget_part(limits.per_day, HOUR_DIVISOR), reserve);
        let in_ten_minutes =
            device.limit(budget_part(limits.per_day, TEN_MINUTES_DIVISOR), reserve);
        // The daily limit is a hard cap also for known devices, so here the reserve is a part of it.
        let reserve = reserve.min(limits.per_day);
        let in_day = device.limit(limits.per_day - reserve, reserve);
        let mut paid = self.paid_per_network(client, device);
        paid.extend([
            limit("send_prefix_hour", prefix, hour, prefix_hour),
            limit("send_country_day", country, day, country_day),
            limit("send_day", all, day, in_day),
            limit("send_hour", all, hour, in_hour),
            limit("send_ten_minutes", all, ten_minutes, in_ten_minutes),
        ]);
        SendGuard {
            // The same limit as for joins, because a request alone costs no message either.
            requests: per_network("ask_ip_hour", joins_per_ip),
            answers,
            paid,
            joins,
            // Breakers do not stop known devices, whose earlier confirmation proves that codes reach them.
            breakers: match device {
                Device::Known => Vec::new(),
                Device::Unknown => self.breakers(phone),
            },
            block: Some(self.block(phone)),
        }
    }

    /// The limits on paid messages for each network of the client, over all numbers. A wider network has the same
    /// limits as the narrowest.
    fn paid_per_network(&self, client: IpAddr, device: Device) -> Vec<Limit> {
        let limits = &self.limits;
        let public_per_day = limits.per_day.saturating_sub(limits.known_device_reserve);
        let spans = [
            (
                "send_network_ten_minutes",
                Window::TEN_MINUTES,
                budget_part(limits.per_day, TEN_MINUTES_DIVISOR),
            ),
            (
                "send_network_hour",
                Window::HOUR,
                // One network alone must not send enough unconfirmed codes to open the breaker of a country.
                budget_part(limits.per_day, HOUR_DIVISOR).min(limits.breaker_country_codes),
            ),
            ("send_network_day", Window::DAY, public_per_day),
        ];
        let mut paid = Vec::new();
        for (scope, window, total) in spans {
            let part = (total / NETWORK_DIVISOR).max(total.min(MIN_NETWORK_PART));
            let part = device.limit(part, reserved::SENDS_PER_IP);
            paid.extend(self.each_network(scope, client, window, |_| part));
        }
        paid
    }

    /// The limits of confirming a code.
    pub(super) fn attempt_limits(
        &self,
        phone: &Phone,
        client: IpAddr,
        device: Device,
    ) -> Vec<Limit> {
        let limits = &self.limits;
        let per_network = device.limit(limits.wrong_per_ip_hour, reserved::ATTEMPTS_PER_IP);
        let mut attempts = self.per_network("wrong_ip_hour", client, Window::HOUR, per_network);
        // With a limit for each network, one network cannot use up all attempts of a number.
        attempts.extend(client_networks(client).map(|network| Limit {
            scope: "wrong_phone_network_day",
            key: self.pepper.hash(
                "limit-phone-network",
                &format!("{} {}", phone.as_str(), network.range),
            ),
            window: Window::LastDay,
            max: device.limit(
                limits.wrong_per_phone_network_day,
                reserved::ATTEMPTS_PER_PHONE,
            ),
        }));
        attempts.push(Limit {
            scope: "wrong_phone_day",
            key: self.phone_key(phone),
            window: Window::LastDay,
            max: device.limit(limits.wrong_per_phone_day, reserved::ATTEMPTS_PER_PHONE),
        });
        // The last counter has no limit and only serves the alarm.
        attempts.push(self.total_wrong_codes());
        attempts
    }

    /// The counter of wrong codes over all numbers and clients.
    pub(super) fn total_wrong_codes(&self) -> Limit {
        Limit {
            scope: "wrong_hour",
            key: self.all_key(),
            window: Window::HOUR,
            max: u32::MAX,
        }
    }

    /// Limits the client's narrowest network to `max` and each wider network to a multiple of `max`.
    fn per_network(
        &self,
        scope: &'static str,
        client: IpAddr,
        window: Window,
        max: u32,
    ) -> Vec<Limit> {
        self.each_network(scope, client, window, |allowance| {
            max.saturating_mul(u32::try_from(allowance).unwrap_or(u32::MAX))
        })
    }

    /// A limit for each network of the client. `max` computes its value from the network's allowance.
    fn each_network(
        &self,
        scope: &'static str,
        client: IpAddr,
        window: Window,
        max: impl Fn(usize) -> u32,
    ) -> Vec<Limit> {
        client_networks(client)
            .map(|network| Limit {
                scope,
                key: self.pepper.hash("limit-ip", &network.range.to_string()),
                window,
                max: max(network.allowance),
            })
            .collect()
    }

    /// The breakers that can stop codes to the prefix or the country of `phone`.
    fn breakers(&self, phone: &Phone) -> Vec<Breaker> {
        let limits = &self.limits;
        let block = self.block(phone);
        let breaker = |area, min_sent| Breaker {
            area,
            block,
            min_sent,
            min_percent: limits.breaker_percent,
            max_per_block: match area {
                Area::Prefix => u32::MAX,
                // A block with so many unconfirmed codes opens its own breaker. More codes of one block must not
                // count against the rest of the country.
                Area::Country => limits.breaker_prefix_codes,
            },
        };
        vec![
            breaker(Area::Prefix, limits.breaker_prefix_codes),
            breaker(Area::Country, limits.breaker_country_codes),
        ]
    }

    /// The block of numbers in which a code to `phone` is counted for the breakers.
    pub(super) fn block(&self, phone: &Phone) -> Block {
        Block::new(&self.country_key(phone), &self.prefix_key(phone))
    }

    fn phone_key(&self, phone: &Phone) -> [u8; 32] {
        self.pepper.hash("limit-phone", phone.as_str())
    }

    fn prefix_key(&self, phone: &Phone) -> [u8; 32] {
        self.pepper.hash("limit-prefix", phone.prefix())
    }

    fn country_key(&self, phone: &Phone) -> [u8; 32] {
        self.pepper.hash("limit-country", &phone.country())
    }

    fn all_key(&self) -> [u8; 32] {
        self.pepper.hash("limit-all", "")
    }
}

/// The part of a daily budget that may be used within a shorter time.
fn budget_part(per_day: u32, divisor: u32) -> u32 {
    (per_day / divisor).max(per_day.min(MIN_BUDGET_PART))
}
