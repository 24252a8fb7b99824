//! The secret that the relay shares with the backend: from `RELAY_WEBHOOK_SECRET`, or from a file that only
//! its owner can read. It is never a flag, because every user of a machine sees the flags of all processes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use shared_protocol::{InvalidKey, RelaySecret};

use super::sources::{Environment, Values};

pub const SECRET_VARIABLE: &str = "RELAY_WEBHOOK_SECRET";
/// Name of the secret's file in the state's folder.
pub const SECRET_FILE: &str = "secret";

/// Where the secret is set: the variable, or the path of the file. `None` if it is set in neither.
pub fn source(values: &Values) -> Option<String> {
    if variable(&values.environment).is_some() {
        return Some(SECRET_VARIABLE.to_owned());
    }
    let path = values.state_dir().join(SECRET_FILE);
    path.exists().then(|| path.display().to_string())
}

/// Reads the secret from the variable, or from the file if the variable is unset or empty.
pub fn read(environment: &Environment, state_dir: &Path) -> Result<RelaySecret, SecretError> {
    if let Some(text) = variable(environment) {
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
    // The mode's bits for the group and for all other users.
    if mode & 0o077 != 0 {
        return Err(SecretError::Exposed { path: shown });
    }
    let text = std::io::read_to_string(file).map_err(|e| unreadable(&e))?;
    parse(&text)
}

/// The value of the variable. An empty variable counts as unset.
fn variable(environment: &Environment) -> Option<&str> {
    let text = environment.get(SECRET_VARIABLE)?;
    (!text.is_empty()).then_some(text)
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

/// Why the secret cannot be used. The messages never repeat the secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("is not set; set it to the backend's secret, or write that into {path} (mode 0600)")]
    Missing { path: String },
    #[error("cannot be read from {path} ({kind}); it must belong to the user that runs the relay")]
    Unreadable {
        path: String,
        kind: std::io::ErrorKind,
    },
    /// The file's mode lets other users read it.
    #[error("lies in {path}, which others can read; run: chmod 600 '{path}'")]
    Exposed { path: String },
    #[error("holds several secrets; a relay signs with one, the list is for the backend")]
    Several,
    #[error("holds a line break or control character; copy the secret again, on one line")]
    Control,
    #[error(transparent)]
    Invalid(#[from] InvalidKey),
}
