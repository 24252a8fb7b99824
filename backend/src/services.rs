//! Builds the parts of the backend, for `serve` and for tests.

use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use rand::CryptoRng;
use shared_protocol::RelaySecrets;

use crate::clock::Clock;
use crate::config::{
    Config, DevSecretError, Environment, ResponderKind, Retention, read_or_create_relay_secret,
    read_or_create_session_secret,
};
use crate::identity::{self, DeleteAccount, Identity, OpenIdentityError};
use crate::jobs::Registry;
use crate::keyring::Keyring;
use crate::known_device::KnownDevices;
use crate::otp::{self, Otp, OtpSetupError};
use crate::people::{DeleteHandle, DeletePerson, DeletionContext};
use crate::relay::auth::RelayAuthenticator;
use crate::replies::{AnswerTurn, Canned, ListOldTurn, Responder, TurnRules, TurnServices};
use crate::sessions::{LogOut, Sessions};
use crate::store::{KeyError, Pepper, Store};
use crate::upkeep::{CleanHistory, Upkeep, UpkeepContext};

/// The parts of the backend that routes and jobs use.
pub struct Services {
    pub store: Store,
    pub pepper: Pepper,
    pub keyring: Arc<Keyring>,
    pub identity: Arc<Identity>,
    pub otp: Otp,
    pub sessions: Sessions,
    pub known_devices: KnownDevices,
    pub relays: RelayAuthenticator,
    pub turns: Arc<TurnRules>,
    /// Who answers turns; `None` if no messages are answered.
    pub responder: Option<Arc<dyn Responder>>,
    time_zone: TimeZone,
    pub environment: Environment,
    pub clock: Clock,
}

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The file of a development secret cannot be read or created.
    #[error(transparent)]
    Secret(#[from] DevSecretError),
    /// A key in the database cannot be decrypted or stored.
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Identity(#[from] OpenIdentityError),
    #[error("codes cannot be sent")]
    Otp(#[from] OtpSetupError),
}

impl Services {
    /// Builds the parts on an open store. Missing secrets are made from `rng`.
    pub async fn build(
        config: &Config,
        store: Store,
        clock: Clock,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, BuildError> {
        let now = clock.now();
        let secrets = relay_secrets(config, rng)?;
        let keyring = keyring(config, rng)?;
        let pepper = store.pepper(&keyring, random(rng), now).await?;
        let keys = Arc::clone(&keyring);
        let identity = Identity::open(&config.identity, identity::TIMEOUTS, &store, keys, now);
        let identity = Arc::new(identity.await?);
        let otp = Otp::new(
            &config.otp,
            otp::TIMEOUTS,
            Arc::clone(&identity),
            store.clone(),
            pepper.clone(),
        )?;
        Ok(Self {
            relays: RelayAuthenticator::new(secrets, config.relay.auth, store.clone()),
            otp,
            sessions: Sessions::new(store.clone(), Arc::clone(&identity), Arc::clone(&keyring)),
            turns: Arc::new(TurnRules::of(&config.replies)),
            responder: responder(config.replies.responder),
            time_zone: config.replies.time_zone.clone(),
            known_devices: KnownDevices::new(Arc::clone(&keyring)),
            environment: config.environment,
            store,
            pepper,
            keyring,
            identity,
            clock,
        })
    }

    /// The kinds of jobs that this backend runs, each with the services that it uses.
    pub fn jobs(&self, retention: Retention) -> Registry {
        let deletion = Arc::new(DeletionContext {
            store: self.store.clone(),
            pepper: self.pepper.clone(),
            keyring: Arc::clone(&self.keyring),
        });
        let upkeep = Arc::new(UpkeepContext {
            store: self.store.clone(),
            sessions: self.sessions.clone(),
            pepper: self.pepper.clone(),
            retention,
        });
        let turns = |responder| {
            Arc::new(TurnServices {
                store: self.store.clone(),
                keyring: Arc::clone(&self.keyring),
                rules: Arc::clone(&self.turns),
                responder,
                answer_timeout: TurnServices::ANSWER_TIMEOUT,
                time_zone: self.time_zone.clone(),
                clock: self.clock.clone(),
            })
        };
        let mut registry = Registry::new(Arc::clone(&self.keyring));
        // A replica without a responder leaves turns to those that have one.
        if self.responder.is_some() {
            registry = registry.with::<AnswerTurn>(turns(self.responder.clone()));
        }
        registry
            .with::<ListOldTurn>(turns(None))
            .with::<LogOut>(Arc::new(self.sessions.clone()))
            .with::<DeleteAccount>(Arc::clone(&self.identity))
            .with::<DeletePerson>(Arc::clone(&deletion))
            .with::<DeleteHandle>(deletion)
            .recurring::<Upkeep>(Arc::clone(&upkeep), Duration::ZERO)
            .recurring::<CleanHistory>(upkeep, CleanHistory::EVERY)
    }
}

fn responder(kind: ResponderKind) -> Option<Arc<dyn Responder>> {
    match kind {
        ResponderKind::Canned => Some(Arc::new(Canned)),
        ResponderKind::None => None,
    }
}

/// The keys of `SESSION_SECRET`. Without it, in development, a key is read from a file or created there.
pub fn keyring(config: &Config, rng: &mut impl CryptoRng) -> Result<Arc<Keyring>, DevSecretError> {
    if let Some(keyring) = &config.keyring {
        return Ok(Arc::clone(keyring));
    }
    let (keyring, path) = read_or_create_session_secret(&config.database, random(rng))?;
    tracing::warn!(
        path = %path.display(),
        "SESSION_SECRET is not set; this machine's own is in the file"
    );
    Ok(Arc::new(keyring))
}

fn relay_secrets(
    config: &Config,
    rng: &mut impl CryptoRng,
) -> Result<Arc<RelaySecrets>, DevSecretError> {
    if let Some(secrets) = &config.relay.secrets {
        return Ok(Arc::clone(secrets));
    }
    let (secrets, path) = read_or_create_relay_secret(&config.database, random(rng))?;
    tracing::warn!(
        path = %path.display(),
        "RELAY_WEBHOOK_SECRET is not set; the relay's secret for this machine is in the file"
    );
    Ok(Arc::new(secrets))
}

fn random(rng: &mut impl CryptoRng) -> [u8; 32] {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    bytes
}
