//! The stored payload of a job: its fields as JSON, which most kinds seal.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Job, JobError};
use crate::keyring::Keyring;

/// The additional authenticated data of sealed payloads.
const AAD: &str = "job";

/// The payload of `job` as it is stored: sealed with the newest key, unless its kind is not sealed.
pub(super) fn write<J: Job>(job: &J, keyring: &Keyring) -> Vec<u8> {
    let plain = to_json(job);
    if J::SEALED {
        keyring.seal(AAD, &plain)
    } else {
        plain
    }
}

/// The fields of a job as JSON: the payload, or what is sealed into it.
pub(super) fn to_json(job: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(job).expect("plain data with string keys")
}

/// Opens the payload, if its kind is sealed, and parses it.
pub(super) fn read<J: Job>(keyring: &Keyring, payload: &[u8]) -> Result<J, JobError> {
    if !J::SEALED {
        return parse(payload);
    }
    let Ok(plain) = keyring.open(AAD, payload) else {
        // The key was removed from SESSION_SECRET, or this replica does not have it yet, or the payload is damaged.
        // During the rollout of a new key the job has to wait for a replica that has it.
        tracing::warn!("a job was sealed with a key that is not in SESSION_SECRET");
        return Err(JobError::Later(None));
    };
    parse(&plain)
}

/// Parses JSON. A newer version may have other fields, so a job with a missing or a mistyped field is retried until
/// that version is deployed.
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

/// Opens and parses a sealed payload. `None` if that fails.
pub(crate) fn open<J: Job>(keyring: &Keyring, payload: &[u8]) -> Option<J> {
    let plain = keyring.open(AAD, payload).ok()?;
    serde_json::from_slice(&plain).ok()
}

/// The payload, sealed with the newest key. `None` if it is already sealed with that key, or cannot be opened.
pub(crate) fn resealed(keyring: &Keyring, payload: &[u8]) -> Option<Vec<u8>> {
    if keyring.is_sealed_with_newest(payload) {
        return None;
    }
    let plain = keyring.open(AAD, payload).ok()?;
    Some(keyring.seal(AAD, &plain))
}
