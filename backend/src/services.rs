//! The parts of the backend, put together once: for `serve`, for commands, and for tests.

use std::sync::Arc;
use std::time::Duration;

use rand::CryptoRng;
use shared_protocol::RelaySecrets;

use crate::clock::Clock;
use crate::config::{
    Config, DevSecretError, Environment, Retention, read_or_create_relay_secret,
    read_or_create_session_secret,
};
use crate::identity::{self, DeleteAccount, Identity, OpenIdentityError};
use crate::jobs::Registry;
use crate::keyring::Keyring;
use crate::known_device::KnownDevices;
use crate::otp::{self, Otp, OtpSetupError};
use crate::people::{DeleteHandle, DeletePerson, DeletionContext};
use crate::relay::auth::RelayAuthenticator;
use crate::sessions::{LogOut, Sessions};
use crate::store::{KeyError, Pepper, Store};
use crate::upkeep::{CleanHistory, Upkeep, UpkeepContext};

/// What routes and jobs work with.
pub struct Services {
    pub store: Store,
    pub pepper: Pepper,
    pub keyring: Arc<Keyring>,
    pub identity: Arc<Identity>,
    pub otp: Otp,
    pub sessions: Sessions,
    pub known_devices: KnownDevices,
    pub relays: RelayAuthenticator,
    pub environment: Environment,
    pub clock: Clock,
}

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A secret of this machine cannot be read or made.
    #[error(transparent)]
    Secret(#[from] DevSecretError),
    /// A key in the database cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Identity(#[from] OpenIdentityError),
    #[error("codes cannot be sent")]
    Otp(#[from] OtpSetupError),
}

impl Services {
    /// Puts the parts together on an open store. Secrets that do not exist yet are made from `rng`.
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
            known_devices: KnownDevices::new(Arc::clone(&keyring)),
            environment: config.environment,
            store,
            pepper,
            keyring,
            identity,
            clock,
        })
    }

    pub fn jobs(&self, retention: Retention) -> Registry {
        let deleter = Arc::new(DeletionContext {
            store: self.store.clone(),
            pepper: self.pepper.clone(),
            keyring: Arc::clone(&self.keyring),
        });
        let keeper = Arc::new(UpkeepContext {
            store: self.store.clone(),
            sessions: self.sessions.clone(),
            pepper: self.pepper.clone(),
            retention,
        });
        Registry::new(Arc::clone(&self.keyring))
            .with::<LogOut>(Arc::new(self.sessions.clone()))
            .with::<DeleteAccount>(Arc::clone(&self.identity))
            .with::<DeletePerson>(Arc::clone(&deleter))
            .with::<DeleteHandle>(deleter)
            .recurring::<Upkeep>(Arc::clone(&keeper), Duration::ZERO)
            .recurring::<CleanHistory>(keeper, CleanHistory::EVERY)
    }
}

/// The keys that sessions hang on. In development without `SESSION_SECRET` they are kept in a file.
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
