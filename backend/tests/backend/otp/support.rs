//! People who ask for codes, at one or two replicas over one store.

use std::net::IpAddr;

use archety_backend::clock::Timestamp;
use archety_backend::config::{OtpConfig, OtpLimits, OtpProviderConfig, TestNumber};
use archety_backend::keyring::Keyring;
use archety_backend::otp::{
    Approved, Binding, Channel, Code, Confirm, ConfirmError, Device, Otp, Start, StartError,
    Started,
};
use archety_backend::phone::{CallingCodes, Phone};
use archety_backend::store::{Pepper, Pools, Store};
use uuid::Uuid;

use crate::support::{NOW, TestStore, stores};

/// The seed's number, and its code.
pub(crate) const ADA: &str = "+15551234567";
pub(crate) const ADAS_CODE: &str = "123456";
pub(crate) const WRONG: &str = "654321";

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A store, and what sends codes over it.
pub(crate) struct Door {
    pub(crate) otp: Otp,
    pub(crate) base: TestStore,
}

/// What is asked, with defaults.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) phone: Phone,
    pub(crate) channel: Channel,
    pub(crate) binding: Binding,
    pub(crate) address: IpAddr,
    pub(crate) device: Device,
    pub(crate) session: Option<Uuid>,
    pub(crate) now: Timestamp,
}

pub(crate) fn phone(text: &str) -> Phone {
    Phone::parse(text).expect("a phone")
}

pub(crate) fn code(text: &str) -> Code {
    Code::parse(text).expect("a code")
}

/// An app somewhere.
pub(crate) fn app(number: &str) -> Client {
    Client {
        phone: phone(number),
        channel: Channel::Sms,
        binding: Binding::App,
        address: IpAddr::from([192, 0, 2, 1]),
        device: Device::Unknown,
        session: None,
        now: NOW,
    }
}

/// A browser, by the first byte of its pre-session's digest.
pub(crate) fn browser(number: &str, name: u8) -> Client {
    app(number).in_browser(name)
}

impl Client {
    pub(crate) fn in_browser(mut self, name: u8) -> Self {
        self.binding = Binding::Browser([name; 32]);
        self
    }

    pub(crate) fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    pub(crate) fn from(mut self, address: [u8; 4]) -> Self {
        self.address = IpAddr::from(address);
        self
    }

    pub(crate) fn known(mut self) -> Self {
        self.device = Device::Known;
        self
    }

    pub(crate) fn by(mut self, channel: Channel) -> Self {
        self.channel = channel;
        self
    }

    pub(crate) fn signed_in(mut self, session: Uuid) -> Self {
        self.session = Some(session);
        self
    }

    pub(crate) async fn start(&self, otp: &Otp) -> Result<Started, StartError> {
        let ask = Start {
            phone: &self.phone,
            channel: self.channel,
            binding: self.binding,
            client: self.address,
            device: self.device,
            step_up: self.session,
        };
        otp.start(ask, self.now).await
    }

    pub(crate) async fn confirm(
        &self,
        otp: &Otp,
        challenge_id: Option<Uuid>,
        typed: &str,
    ) -> Result<Approved, ConfirmError> {
        let ask = Confirm {
            phone: &self.phone,
            code: &code(typed),
            challenge_id,
            binding: self.binding,
            client: self.address,
            device: self.device,
            session: self.session,
        };
        otp.confirm(ask, self.now).await
    }
}

/// The seed's number has a code, and others whose codes are fixed, so that nobody reads a terminal.
pub(crate) fn config(provider: OtpProviderConfig, limits: OtpLimits) -> OtpConfig {
    OtpConfig {
        provider,
        test_numbers: vec![TestNumber {
            phone: phone(ADA),
            code: ADAS_CODE.to_owned(),
        }],
        calling_codes: CallingCodes::default(),
        limits,
    }
}

pub(crate) async fn pepper(store: &Store) -> Pepper {
    let keyring = Keyring::parse(SECRET).expect("a keyring");
    store
        .pepper(&keyring, [7; 32], NOW)
        .await
        .expect("a pepper")
}

/// One on each store, whose codes go to the terminal.
pub(crate) async fn doors(limits: OtpLimits) -> Vec<Door> {
    let mut doors = Vec::new();
    for base in stores().await {
        let otp = otp_on(&base.store, &config(OtpProviderConfig::Console, limits)).await;
        doors.push(Door { otp, base });
    }
    doors
}

pub(crate) async fn otp_on(store: &Store, config: &OtpConfig) -> Otp {
    Otp::new(config, store.clone(), pepper(store).await).expect("an HTTP client")
}

impl Door {
    /// A second replica with the same configuration.
    pub(crate) async fn second(&self, limits: OtpLimits) -> Otp {
        let store = self.base.second().await;
        otp_on(&store, &config(OtpProviderConfig::Console, limits)).await
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        match self.base.store.pools() {
            Pools::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
            Pools::Sqlite { writer, .. } => sqlx::query_scalar(sql).fetch_one(writer).await,
        }
        .expect("a count")
    }
}
