//! Clients that ask for codes, and replicas over one store that send them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use archety_backend::clock::Timestamp;
use archety_backend::config::{
    IdentityConfig, OtpConfig, OtpLimits, OtpProviderConfig, TestNumber, TwilioConfig,
};
use archety_backend::identity::{Identity, Timeouts};
use archety_backend::keyring::Keyring;
use archety_backend::otp::{
    ApprovedChallenge, ChallengeBinding, Channel, Code, ConfirmError, ConfirmRequest, Device, Otp,
    StartError, StartRequest, StartedChallenge,
};
use archety_backend::phone::Phone;
use archety_backend::phone_region::Regions;
use archety_backend::store::{Pepper, Store};
use twilio_stand_in::{Settings, StandIn};
use uuid::Uuid;

use crate::support::{Engine, NOW, TestStore};

/// The test number of the configuration, and its code.
pub(crate) const ADA: &str = "+15551234567";
pub(crate) const ADAS_CODE: &str = "123456";
pub(crate) const WRONG_CODE: &str = "654321";
/// Seconds from `NOW` to the end of its clock hour.
pub(crate) const REST_OF_HOUR: u32 = 2_800;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A replica on a store of its own.
pub(crate) struct OtpReplica {
    pub(crate) otp: Otp,
    pub(crate) base: TestStore,
}

/// A client, and the parameters of its starts and confirmations.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) phone: Phone,
    pub(crate) channel: Channel,
    pub(crate) binding: ChallengeBinding,
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

/// An app on an unknown device.
pub(crate) fn app(number: &str) -> Client {
    Client {
        phone: phone(number),
        channel: Channel::Sms,
        binding: ChallengeBinding::App,
        address: IpAddr::from([192, 0, 2, 1]),
        device: Device::Unknown,
        session: None,
        now: NOW,
    }
}

/// A browser. `n` distinguishes browsers: every byte of the pre-session's digest is `n`.
pub(crate) fn browser(number: &str, n: u8) -> Client {
    app(number).in_browser(n)
}

impl Client {
    pub(crate) fn in_browser(mut self, n: u8) -> Self {
        self.binding = ChallengeBinding::Browser([n; 32]);
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

    pub(crate) async fn start(&self, otp: &Otp) -> Result<StartedChallenge, StartError> {
        let request = StartRequest {
            phone: self.phone.clone(),
            channel: self.channel,
            binding: self.binding,
            client: self.address,
            device: self.device,
            step_up: self.session,
        };
        otp.start(&request, self.now).await
    }

    pub(crate) async fn confirm(
        &self,
        otp: &Otp,
        challenge_id: Option<Uuid>,
        digits: &str,
    ) -> Result<ApprovedChallenge, ConfirmError> {
        let request = ConfirmRequest {
            phone: self.phone.clone(),
            code: code(digits),
            challenge_id,
            binding: self.binding,
            client: self.address,
            device: self.device,
            session: self.session,
        };
        otp.confirm(&request, self.now).await
    }
}

/// Settings with one test number, whose code is fixed.
pub(crate) fn config(provider: OtpProviderConfig, limits: OtpLimits) -> OtpConfig {
    OtpConfig {
        provider,
        test_numbers: vec![TestNumber {
            phone: phone(ADA),
            code: ADAS_CODE.to_owned(),
        }],
        regions: Regions::default(),
        channels: vec![Channel::Sms, Channel::Call, Channel::WhatsApp],
        limits,
    }
}

fn keyring() -> Keyring {
    Keyring::parse(SECRET).expect("a keyring")
}

pub(crate) async fn pepper(store: &Store) -> Pepper {
    store
        .pepper(&keyring(), [7; 32], NOW)
        .await
        .expect("a pepper")
}

pub(crate) async fn otp_on(store: &Store, config: &OtpConfig) -> Otp {
    otp_with(store, config, &IdentityConfig::Local).await
}

pub(crate) async fn otp_with(store: &Store, config: &OtpConfig, identity: &IdentityConfig) -> Otp {
    let timeouts = Timeouts {
        connect: Duration::from_secs(1),
        // Long enough for a stand-in on a busy machine, short enough for tests that wait for the timeout.
        total: Duration::from_secs(3),
    };
    let identity = identity_on(store, identity).await;
    let pepper = pepper(store).await;
    Otp::new(config, timeouts, identity, store.clone(), pepper).expect("a provider")
}

pub(crate) async fn identity_on(store: &Store, config: &IdentityConfig) -> Arc<Identity> {
    let timeouts = Timeouts {
        connect: Duration::from_secs(1),
        total: Duration::from_secs(3),
    };
    let identity = Identity::open(config, timeouts, store, Arc::new(keyring()), NOW);
    Arc::new(identity.await.expect("an identity"))
}

impl OtpReplica {
    /// A replica that prints its codes to the terminal.
    pub(crate) async fn new(engine: Engine, limits: OtpLimits) -> Self {
        let base = TestStore::new(engine).await;
        let otp = otp_on(&base.store, &config(OtpProviderConfig::Console, limits)).await;
        Self { otp, base }
    }

    /// A second replica on the same store, with `limits`.
    pub(crate) async fn second(&self, limits: OtpLimits) -> Otp {
        let store = self.base.second().await;
        otp_on(&store, &config(OtpProviderConfig::Console, limits)).await
    }
}

/// A replica that sends codes through a stand-in for Twilio.
pub(crate) struct TwilioReplica {
    pub(crate) twilio: StandIn,
    pub(crate) otp: Otp,
    pub(crate) base: TestStore,
    limits: OtpLimits,
}

fn twilio_config(twilio: &StandIn, limits: OtpLimits) -> OtpConfig {
    let settings = twilio.settings();
    let provider = OtpProviderConfig::Twilio(TwilioConfig {
        username: settings.api_key_sid.clone(),
        password: settings.api_key_secret.clone().into(),
        service_sid: settings.service_sid.clone(),
        base_url: twilio.url().parse().expect("a URL"),
    });
    OtpConfig {
        test_numbers: Vec::new(),
        ..config(provider, limits)
    }
}

impl TwilioReplica {
    /// A replica with its own stand-in for Twilio and without test numbers.
    pub(crate) async fn new(engine: Engine, limits: OtpLimits) -> Self {
        let base = TestStore::new(engine).await;
        let twilio = StandIn::start(Settings::default()).await.expect("a port");
        let otp = otp_on(&base.store, &twilio_config(&twilio, limits)).await;
        Self {
            twilio,
            otp,
            base,
            limits,
        }
    }

    /// A second replica with the same configuration.
    pub(crate) async fn second(&self) -> Otp {
        let store = self.base.second().await;
        otp_on(&store, &twilio_config(&self.twilio, self.limits)).await
    }

    /// The code in the newest message to `number`.
    pub(crate) fn code(&self, number: &str) -> String {
        self.twilio.code_for(number).expect("a code was sent")
    }
}
