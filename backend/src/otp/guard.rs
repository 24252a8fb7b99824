//! Which counters a request is held against, and how much of each is kept for known devices.
//!
//! A known device shares every counter with strangers but may go further on it; strangers stop earlier,
//! so they can never use up what is kept. Keys are keyed hashes: the counters name nobody.

use std::net::IpAddr;

use super::{Device, Inner};
use crate::client_network::client_network;
use crate::phone::Phone;
use crate::store::otp::SendGuard;
use crate::store::{Area, Block, Breaker, Limit, Window};

/// What a known device may have beyond a stranger.
mod kept {
    pub(super) const SENDS_PER_PHONE_HOUR: u32 = 2;
    pub(super) const SENDS_PER_PHONE_DAY: u32 = 4;
    pub(super) const SENDS_PER_IP: u32 = 10;
    pub(super) const SENDS_PER_PREFIX: u32 = 10;
    pub(super) const JOINS_PER_PHONE: u32 = 10;
    pub(super) const JOINS_PER_IP: u32 = 20;
    pub(super) const ATTEMPTS_PER_PHONE: u32 = 5;
    pub(super) const ATTEMPTS_PER_IP: u32 = 15;
    /// Of the attempts in all: one in so many.
    pub(super) const ATTEMPTS_IN_ALL: u32 = 4;
}

impl Device {
    fn with(self, most: u32, kept: u32) -> u32 {
        match self {
            Self::Known => most.saturating_add(kept),
            Self::Unknown => most,
        }
    }
}

impl Inner {
    /// What sending a code to `phone`, or joining one, is held against.
    pub(super) fn send_guard(&self, phone: &Phone, client: IpAddr, device: Device) -> SendGuard {
        let limits = &self.limits;
        let (number, ip) = (self.phone_key(phone), self.ip_key(client));
        let country = self.country_key(phone);
        let most = |most, kept| device.with(most, kept);
        let reserve = limits.known_device_reserve;
        let limit = |scope, key, window, most| Limit {
            scope,
            key,
            window,
            most,
        };
        SendGuard {
            asks: vec![limit(
                "ask_ip_hour",
                ip,
                Window::HOUR,
                // As many as may join: neither sends anything.
                most(limits.joins_per_ip_hour, kept::JOINS_PER_IP),
            )],
            answers: vec![
                limit(
                    "send_phone_hour",
                    number,
                    Window::HOUR,
                    most(limits.per_phone_hour, kept::SENDS_PER_PHONE_HOUR),
                ),
                limit(
                    "send_phone_day",
                    number,
                    Window::DAY,
                    most(limits.per_phone_day, kept::SENDS_PER_PHONE_DAY),
                ),
                limit(
                    "send_ip_hour",
                    ip,
                    Window::HOUR,
                    most(limits.per_ip_hour, kept::SENDS_PER_IP),
                ),
            ],
            paid: vec![
                limit(
                    "send_prefix_hour",
                    self.prefix_key(phone),
                    Window::HOUR,
                    most(limits.per_prefix_hour, kept::SENDS_PER_PREFIX),
                ),
                limit(
                    "send_country_day",
                    country,
                    Window::DAY,
                    most(limits.per_country_day, reserve),
                ),
                limit(
                    "send_day",
                    self.all_key(),
                    Window::DAY,
                    // What is paid in a day is capped for everybody, so here the reserve lies within.
                    most(limits.per_day.saturating_sub(reserve), reserve).min(limits.per_day),
                ),
            ],
            joins: vec![
                limit(
                    "join_phone_hour",
                    number,
                    Window::HOUR,
                    most(limits.joins_per_phone_hour, kept::JOINS_PER_PHONE),
                ),
                limit(
                    "join_ip_hour",
                    ip,
                    Window::HOUR,
                    most(limits.joins_per_ip_hour, kept::JOINS_PER_IP),
                ),
            ],
            // Whoever pumps a country must not shut out those who proved before that codes reach them.
            breakers: match device {
                Device::Known => Vec::new(),
                Device::Unknown => self.breakers(phone),
            },
            block: Some(self.block(phone)),
        }
    }

    /// What trying a code is held against.
    pub(super) fn attempt_limits(
        &self,
        phone: &Phone,
        client: IpAddr,
        device: Device,
    ) -> Vec<Limit> {
        let limits = &self.limits;
        let in_all = limits.wrong_per_hour;
        vec![
            Limit {
                scope: "wrong_phone_day",
                key: self.phone_key(phone),
                window: Window::LastDay,
                most: device.with(limits.wrong_per_phone_day, kept::ATTEMPTS_PER_PHONE),
            },
            Limit {
                scope: "wrong_ip_hour",
                key: self.ip_key(client),
                window: Window::HOUR,
                most: device.with(limits.wrong_per_ip_hour, kept::ATTEMPTS_PER_IP),
            },
            Limit {
                scope: "wrong_hour",
                key: self.all_key(),
                window: Window::HOUR,
                most: device.with(in_all, in_all / kept::ATTEMPTS_IN_ALL),
            },
        ]
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

    fn ip_key(&self, client: IpAddr) -> [u8; 32] {
        self.pepper
            .hash("limit-ip", &client_network(client).to_string())
    }

    fn all_key(&self) -> [u8; 32] {
        self.pepper.hash("limit-all", "")
    }
}
