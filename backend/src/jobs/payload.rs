//! The content of a job as it is stored: JSON, sealed as a rule.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Job, JobError};
use crate::keyring::Keyring;

/// What binds sealed payloads to their use.
const AAD: &str = "job";

pub(super) fn write<J: Job>(job: &J, keyring: &Keyring) -> Vec<u8> {
    let plain = to_json(job);
    if J::SEALED {
        keyring.seal(AAD, &plain)
    } else {
        plain
    }
}

/// The payload of a kind that is not sealed.
pub(super) fn to_json(job: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(job).expect("plain data with string keys")
}

/// The job that a payload tells of.
pub(super) fn read<J: Job>(keyring: &Keyring, payload: &[u8]) -> Result<J, JobError> {
    if !J::SEALED {
        return parse(payload);
    }
    let Ok(plain) = keyring.open(AAD, payload) else {
        // Not in SESSION_SECRET any more, or not yet: while a new key is rolled out, a replica that does not
        // have it must not give up what the others have written down.
        tracing::warn!("a job was sealed with a key that is not in SESSION_SECRET");
        return Err(JobError::Later(None));
    };
    parse(&plain)
}

/// Fields of another form may be those of a newer version, which will do it once the deploy is through.
fn parse<T: DeserializeOwned>(plain: &[u8]) -> Result<T, JobError> {
    serde_json::from_slice(plain).map_err(|error| {
        if error.is_data() {
            tracing::warn!("the content of a job cannot be read by this version");
            JobError::Later(None)
        } else {
            JobError::Never("its content cannot be read")
        }
    })
}

/// What a sealed payload says; `None` if it cannot be read.
pub(crate) fn open<J: Job>(keyring: &Keyring, payload: &[u8]) -> Option<J> {
    let plain = keyring.open(AAD, payload).ok()?;
    serde_json::from_slice(&plain).ok()
}

/// The payload sealed with the newest key; `None` if it is already, or cannot be opened.
pub(crate) fn resealed(keyring: &Keyring, payload: &[u8]) -> Option<Vec<u8>> {
    if keyring.is_newest(payload) {
        return None;
    }
    let plain = keyring.open(AAD, payload).ok()?;
    Some(keyring.seal(AAD, &plain))
}
