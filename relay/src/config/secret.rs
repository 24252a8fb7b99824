//! The secret that this relay shares with the backend: from `RELAY_WEBHOOK_SECRET`, or from a file
//! that only its owner can read. Never from a flag, since every user of a machine sees those.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use shared_protocol::{InvalidKey, RelaySecret};

use super::sources::Environment;

/// The variable that holds the secret.
pub const SECRET_VARIABLE: &str = "RELAY_WEBHOOK_SECRET";
/// Its file in the state's folder.
pub const SECRET_FILE: &str = "secret";

/// Reads the secret: the variable wins over the file.
pub fn read(environment: &Environment, state_dir: &Path) -> Result<RelaySecret, SecretError> {
    if let Some(text) = environment
        .get(SECRET_VARIABLE)
        .filter(|text| !text.is_empty())
    {
        return parse(text);
    }
    let path = state_dir.join(SECRET_FILE);
    let shown = path.display().to_string();
    let unreadable = |source: &std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => SecretError::Missing {
            path: shown.clone(),
        },
        kind => SecretError::Unreadable {
            path: shown.clone(),
            kind,
        },
    };
    let file = std::fs::File::open(&path).map_err(|e| unreadable(&e))?;
    let mode = file
        .metadata()
        .map_err(|e| unreadable(&e))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        return Err(SecretError::Exposed { path: shown });
    }
    let text = std::io::read_to_string(file).map_err(|e| unreadable(&e))?;
    parse(&text)
}

fn parse(text: &str) -> Result<RelaySecret, SecretError> {
    if text.contains(',') {
        return Err(SecretError::Several);
    }
    if text.trim().contains(char::is_control) {
        return Err(SecretError::Control);
    }
    Ok(RelaySecret::parse(text)?)
}

/// The secret cannot be used. Its text is never repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is none.
    #[error("is not set; set it to the backend's secret, or write that into {path} (mode 0600)")]
    Missing {
        /// Where the file would lie.
        path: String,
    },
    /// The file cannot be read.
    #[error("cannot be read from {path} ({kind}); it must belong to the user that runs the relay")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        kind: std::io::ErrorKind,
    },
    /// Others can read the file.
    #[error("lies in {path}, which others can read; run: chmod 600 '{path}'")]
    Exposed {
        /// The file.
        path: String,
    },
    /// A list where one secret belongs.
    #[error("holds several secrets; a relay signs with one, the list is for the backend")]
    Several,
    /// A line break or other control character within it.
    #[error("holds a line break or control character; copy the secret again, on one line")]
    Control,
    /// Not a secret.
    #[error("{0}")]
    Invalid(#[from] InvalidKey),
}
