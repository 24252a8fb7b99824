//! Secrets of a development machine: made once, kept beside the database.
//!
//! So a laptop needs no configuration and what hangs on a secret still survives a restart. They are
//! never printed; the files are readable by their owner alone.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use shared_protocol::{InvalidSecrets, RelaySecrets, SigningKey};
use zeroize::Zeroizing;

use super::{DatabaseConfig, DatabaseKind};
use crate::keyring::{InvalidKeyring, Keyring};

const RELAY_FILE: &str = ".archety-dev-secret";
const SESSION_FILE: &str = ".archety-dev-session-secret";

/// The stored relay secret, or one of `fresh` random bytes, which is stored. Tells where it is.
pub fn read_or_create_relay_secret(
    database: &DatabaseConfig,
    fresh: [u8; 32],
) -> Result<(RelaySecrets, PathBuf), DevSecretError> {
    let path = beside(database, RELAY_FILE);
    let text = read_or_create(&path, SigningKey::from_bytes(fresh).expose_whsec())?;
    match RelaySecrets::parse(&text) {
        Ok(secrets) => Ok((secrets, path)),
        Err(source) => Err(DevSecretError::Relay { path, source }),
    }
}

/// The stored `SESSION_SECRET`, or one of `fresh` random bytes, which is stored. Tells where it is.
pub fn read_or_create_session_secret(
    database: &DatabaseConfig,
    fresh: [u8; 32],
) -> Result<(Arc<Keyring>, PathBuf), DevSecretError> {
    let path = beside(database, SESSION_FILE);
    let fresh = Zeroizing::new(STANDARD.encode(fresh));
    let text = read_or_create(&path, fresh)?;
    match Keyring::parse(text.trim()) {
        Ok(keyring) => Ok((Arc::new(keyring), path)),
        Err(source) => Err(DevSecretError::Session { path, source }),
    }
}

fn beside(database: &DatabaseConfig, name: &str) -> PathBuf {
    let folder = match &database.kind {
        DatabaseKind::Sqlite { path } => path.parent().unwrap_or(Path::new("")),
        DatabaseKind::Postgres { .. } => Path::new(""),
    };
    folder.join(name)
}

fn read_or_create(
    path: &Path,
    fresh: Zeroizing<String>,
) -> Result<Zeroizing<String>, DevSecretError> {
    let failed = |source| DevSecretError::File {
        path: path.to_owned(),
        source,
    };
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match created {
        Ok(mut file) => {
            file.write_all(fresh.as_bytes())
                .and_then(|()| file.sync_all())
                .map_err(failed)?;
            Ok(fresh)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let mut text = Zeroizing::new(String::new());
            OpenOptions::new()
                .read(true)
                .open(path)
                .and_then(|mut file| file.read_to_string(&mut text))
                .map_err(failed)?;
            Ok(text)
        }
        Err(error) => Err(failed(error)),
    }
}

/// A stored development secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DevSecretError {
    /// The file cannot be read or written.
    #[error(
        "{path} cannot be used; make the folder writable, or set RELAY_WEBHOOK_SECRET and SESSION_SECRET"
    )]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds something else than relay secrets.
    #[error("{path} holds no secret; delete the file to have a new one made")]
    Relay {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: InvalidSecrets,
    },
    /// The file holds something else than a session secret.
    #[error(
        "{path} holds no session secret; delete the file to have a new one made, which signs everybody out"
    )]
    Session {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: InvalidKeyring,
    },
}
