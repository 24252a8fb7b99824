//! Which counters a request is held against, and how much of each is kept for known devices.
//!
//! A known device shares every counter with strangers but may go further on it; strangers stop earlier,
//! so they can never use up what is kept. Keys are keyed hashes: no counter tells a number or an address.
//!
//! An address counts for each network around it, since a rented server has a /48 of them. What is paid
//! in a day is spread over its hours, so that a rush in the morning leaves something for the evening.

use std::net::IpAddr;

use super::{Device, Inner};
use crate::client_network::client_networks;
use crate::phone::Phone;
use crate::store::otp::SendGuard;
use crate::store::{Area, Block, Breaker, Limit, Window};

/// What a known device may have beyond a stranger.
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

/// One part in so many of the day's codes may go out in one hour, and in ten minutes.
const HOURS_SHARE: u32 = 5;
const TEN_MINUTES_SHARE: u32 = 12;
/// A share is no less than this: a small budget is not cut to nothing.
const LEAST_SHARE: u32 = 20;
/// One network may use one part in so many of what may be sent to everyone in the same time, and of the codes
/// that prove something about a country: one rented server then leaves most of it to others.
const NETWORKS_SHARE: u32 = 3;
/// The same for a network: no less than this.
const LEAST_NETWORKS_SHARE: u32 = 10;

impl Device {
    fn with(self, most: u32, reserved: u32) -> u32 {
        match self {
            Self::Known => most.saturating_add(reserved),
            Self::Unknown => most,
        }
    }
}

impl Inner {
    /// What sending a code to `phone`, or joining one, is held against.
    pub(super) fn send_guard(&self, phone: &Phone, client: IpAddr, device: Device) -> SendGuard {
        let limits = &self.limits;
        let (number, prefix) = (self.phone_key(phone), self.prefix_key(phone));
        let (country, all) = (self.country_key(phone), self.all_key());
        let (hour, day, ten_minutes) = (Window::HOUR, Window::DAY, Window::TEN_MINUTES);
        let most = |most, reserved| device.with(most, reserved);
        let limit = |scope, key, window, most| Limit {
            scope,
            key,
            window,
            most,
        };
        let by_network = |scope, per_hour| self.by_network(scope, client, hour, per_hour);

        let mut answers = by_network(
            "send_ip_hour",
            most(limits.per_ip_hour, reserved::SENDS_PER_IP),
        );
        let phone_hour = most(limits.per_phone_hour, reserved::SENDS_PER_PHONE_HOUR);
        let phone_day = most(limits.per_phone_day, reserved::SENDS_PER_PHONE_DAY);
        answers.extend([
            limit("send_phone_hour", number, hour, phone_hour),
            limit("send_phone_day", number, day, phone_day),
        ]);

        let joins_per_ip = most(limits.joins_per_ip_hour, reserved::JOINS_PER_IP);
        let joins_per_phone = most(limits.joins_per_phone_hour, reserved::JOINS_PER_PHONE);
        let mut joins = by_network("join_ip_hour", joins_per_ip);
        joins.push(limit("join_phone_hour", number, hour, joins_per_phone));

        let reserve = limits.known_device_reserve;
        let prefix_hour = most(limits.per_prefix_hour, reserved::SENDS_PER_PREFIX);
        let country_day = most(limits.per_country_day, reserve);
        let in_hour = most(share(limits.per_day, HOURS_SHARE), reserve);
        let in_ten_minutes = most(share(limits.per_day, TEN_MINUTES_SHARE), reserve);
        // What is paid in a day is capped for everybody, so here the reserve lies within.
        let reserve = reserve.min(limits.per_day);
        let in_day = most(limits.per_day - reserve, reserve);
        let mut paid = self.networks_shares(client, device);
        paid.extend([
            limit("send_prefix_hour", prefix, hour, prefix_hour),
            limit("send_country_day", country, day, country_day),
            limit("send_day", all, day, in_day),
            limit("send_hour", all, hour, in_hour),
            limit("send_ten_minutes", all, ten_minutes, in_ten_minutes),
        ]);
        SendGuard {
            // As many as may join: neither sends anything.
            asks: by_network("ask_ip_hour", joins_per_ip),
            answers,
            paid,
            joins,
            // Strangers who pump a country must not shut out those who proved before that codes reach them.
            breakers: match device {
                Device::Known => Vec::new(),
                Device::Unknown => self.breakers(phone),
            },
            block: Some(self.block(phone)),
        }
    }

    /// What each network of the client may have of what is paid, however many numbers it names.
    fn networks_shares(&self, client: IpAddr, device: Device) -> Vec<Limit> {
        let limits = &self.limits;
        let for_strangers = limits.per_day.saturating_sub(limits.known_device_reserve);
        let spans = [
            (
                "send_network_ten_minutes",
                Window::TEN_MINUTES,
                share(limits.per_day, TEN_MINUTES_SHARE),
            ),
            (
                "send_network_hour",
                Window::HOUR,
                // Codes that are never confirmed cut a country off: not those of one network alone.
                share(limits.per_day, HOURS_SHARE).min(limits.breaker_country_codes),
            ),
            ("send_network_day", Window::DAY, for_strangers),
        ];
        let mut shares = Vec::new();
        for (scope, window, of_all) in spans {
            let part = (of_all / NETWORKS_SHARE).max(of_all.min(LEAST_NETWORKS_SHARE));
            let part = device.with(part, reserved::SENDS_PER_IP);
            shares.extend(self.per_network(scope, client, window, |_| part));
        }
        shares
    }

    /// What trying a code is held against.
    pub(super) fn attempt_limits(
        &self,
        phone: &Phone,
        client: IpAddr,
        device: Device,
    ) -> Vec<Limit> {
        let limits = &self.limits;
        let per_network = device.with(limits.wrong_per_ip_hour, reserved::ATTEMPTS_PER_IP);
        let mut taken = self.by_network("wrong_ip_hour", client, Window::HOUR, per_network);
        // Strangers in one network use up what that network may try, and not what the number may.
        taken.extend(client_networks(client).map(|network| Limit {
            scope: "wrong_phone_network_day",
            key: self.pepper.hash(
                "limit-phone-network",
                &format!("{} {}", phone.as_str(), network.range),
            ),
            window: Window::LastDay,
            most: device.with(
                limits.wrong_per_phone_network_day,
                reserved::ATTEMPTS_PER_PHONE,
            ),
        }));
        taken.push(Limit {
            scope: "wrong_phone_day",
            key: self.phone_key(phone),
            window: Window::LastDay,
            most: device.with(limits.wrong_per_phone_day, reserved::ATTEMPTS_PER_PHONE),
        });
        // Counted, so that it can be told; a right code is never refused for what others guess.
        taken.push(self.wrong_in_all());
        taken
    }

    /// How many wrong codes there are in all.
    pub(super) fn wrong_in_all(&self) -> Limit {
        Limit {
            scope: "wrong_hour",
            key: self.all_key(),
            window: Window::HOUR,
            most: u32::MAX,
        }
    }

    /// `most` for the client's narrowest network, and more for the wider ones.
    fn by_network(
        &self,
        scope: &'static str,
        client: IpAddr,
        window: Window,
        most: u32,
    ) -> Vec<Limit> {
        self.per_network(scope, client, window, |allowance| {
            most.saturating_mul(u32::try_from(allowance).unwrap_or(u32::MAX))
        })
    }

    /// A limit for each network of the client, by how many of the narrowest it counts for.
    fn per_network(
        &self,
        scope: &'static str,
        client: IpAddr,
        window: Window,
        most: impl Fn(usize) -> u32,
    ) -> Vec<Limit> {
        client_networks(client)
            .map(|network| Limit {
                scope,
                key: self.pepper.hash("limit-ip", &network.range.to_string()),
                window,
                most: most(network.allowance),
            })
            .collect()
    }

    /// Where a code to `phone` goes, as it is judged.
    fn breakers(&self, phone: &Phone) -> Vec<Breaker> {
        let limits = &self.limits;
        let block = self.block(phone);
        let breaker = |area, min_sent| Breaker {
            area,
            block,
            min_sent,
            min_percent: limits.breaker_percent,
            most_per_block: match area {
                Area::Prefix => u32::MAX,
                // So many suffice to cut the block off by itself; what goes there until then, and after,
                // says nothing more about its neighbours.
                Area::Country => limits.breaker_prefix_codes,
            },
        };
        vec![
            breaker(Area::Prefix, limits.breaker_prefix_codes),
            breaker(Area::Country, limits.breaker_country_codes),
        ]
    }

    /// Where a code to `phone` goes, as it is counted.
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

/// What may go out of a budget of a day in one of so many parts of it.
fn share(per_day: u32, parts: u32) -> u32 {
    (per_day / parts).max(per_day.min(LEAST_SHARE))
}
