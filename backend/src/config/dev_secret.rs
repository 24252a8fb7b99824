//! Makes the relay secret and the `SESSION_SECRET` of a development machine, and keeps each in a file.
//!
//! With these files, a development machine needs no configuration, and its sessions and relays stay valid over a
//! restart. The secrets are never printed, and only the owner of the files can read them.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use shared_protocol::{InvalidSecrets, RelaySecrets, SigningKey};
use zeroize::Zeroizing;

use super::{DatabaseConfig, DatabaseKind};
use crate::keyring::{InvalidKeyring, Keyring};

const RELAY_FILE: &str = ".archety-dev-secret";
const SESSION_FILE: &str = ".archety-dev-session-secret";

/// Returns the stored relay secret and the path of its file. If there is no file, the random bytes `fresh` become
/// the secret, and are written into a new file as `whsec_…`, the form that relays take.
pub fn read_or_create_relay_secret(
    database: &DatabaseConfig,
    fresh: [u8; 32],
) -> Result<(RelaySecrets, PathBuf), DevSecretError> {
    let path = secret_path(database, RELAY_FILE);
    let text = read_or_create(&path, SigningKey::from_bytes(fresh).to_whsec())?;
    match RelaySecrets::parse(&text) {
        Ok(secrets) => Ok((secrets, path)),
        Err(source) => Err(DevSecretError::Relay { path, source }),
    }
}

/// Returns the stored `SESSION_SECRET` and the path of its file. If there is no file, the random bytes `fresh`
/// become the secret.
pub fn read_or_create_session_secret(
    database: &DatabaseConfig,
    fresh: [u8; 32],
) -> Result<(Keyring, PathBuf), DevSecretError> {
    let path = secret_path(database, SESSION_FILE);
    let text = read_or_create(&path, Zeroizing::new(STANDARD.encode(fresh)))?;
    match Keyring::parse(text.trim()) {
        Ok(keyring) => Ok((keyring, path)),
        Err(source) => Err(DevSecretError::Session { path, source }),
    }
}

/// The path of a secret's file: beside the SQLite file, or in the working directory with Postgres.
fn secret_path(database: &DatabaseConfig, name: &str) -> PathBuf {
    match &database.kind {
        DatabaseKind::Sqlite { path } => path.with_file_name(name),
        DatabaseKind::Postgres { .. } => name.into(),
    }
}

/// The text of the file at `path`. If there is no file, a new one is written with the text `fresh`.
fn read_or_create(
    path: &Path,
    fresh: Zeroizing<String>,
) -> Result<Zeroizing<String>, DevSecretError> {
    let attempt = || {
        let mut options = OpenOptions::new();
        match options.write(true).create_new(true).mode(0o600).open(path) {
            Ok(mut file) => {
                file.write_all(fresh.as_bytes())?;
                file.sync_all()?;
                Ok(fresh)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let mut text = Zeroizing::new(String::new());
                std::fs::File::open(path)?.read_to_string(&mut text)?;
                Ok(text)
            }
            Err(error) => Err(error),
        }
    };
    attempt().map_err(|source| DevSecretError::File {
        path: path.to_owned(),
        source,
    })
}

/// A stored development secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DevSecretError {
    /// The file cannot be read or written.
    #[error(
        "{path} cannot be used; make the folder writable, or set RELAY_WEBHOOK_SECRET and SESSION_SECRET"
    )]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{path} holds no secret; delete the file to have a new one made")]
    Relay {
        path: PathBuf,
        source: InvalidSecrets,
    },
    #[error(
        "{path} holds no session secret; delete the file to have a new one made, which signs all people out"
    )]
    Session {
        path: PathBuf,
        source: InvalidKeyring,
    },
}
