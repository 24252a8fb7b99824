//! The relay secret of a development machine: made once, kept beside the database.
//!
//! So a laptop needs no configuration and the secret still survives a restart. It is never printed;
//! the file is readable by its owner alone.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use shared_protocol::{InvalidSecrets, RelaySecrets, SigningKey};
use zeroize::Zeroizing;

use super::{DatabaseConfig, DatabaseKind};

const FILE_NAME: &str = ".archety-dev-secret";

/// Reads the stored secret, or makes one of `fresh` random bytes and stores it. Tells where it is.
pub fn read_or_create(
    database: &DatabaseConfig,
    fresh: [u8; 32],
) -> Result<(RelaySecrets, PathBuf), SecretFileError> {
    let folder = match &database.kind {
        DatabaseKind::Sqlite { path } => path.parent().unwrap_or(Path::new("")),
        DatabaseKind::Postgres { .. } => Path::new(""),
    };
    let path = folder.join(FILE_NAME);
    let failed = |source| SecretFileError::File {
        path: path.clone(),
        source,
    };
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    let text = match created {
        Ok(mut file) => {
            let text = SigningKey::from_bytes(fresh).expose_whsec();
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync_all())
                .map_err(failed)?;
            text
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let mut text = Zeroizing::new(String::new());
            OpenOptions::new()
                .read(true)
                .open(&path)
                .and_then(|mut file| file.read_to_string(&mut text))
                .map_err(failed)?;
            text
        }
        Err(error) => return Err(failed(error)),
    };
    let secrets = RelaySecrets::parse(&text).map_err(|source| SecretFileError::Content {
        path: path.clone(),
        source,
    })?;
    Ok((secrets, path))
}

/// The stored development secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// The file cannot be read or written.
    #[error("{path} cannot be used; set RELAY_WEBHOOK_SECRET, or make the folder writable")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("{path} holds no secret; delete the file to have a new one made")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: InvalidSecrets,
    },
}
