//! `SESSION_SECRET`: the keys that authenticate tokens of sessions and encrypt secrets in the database.

use std::sync::Arc;

use super::{Reader, strength};
use crate::keyring::Keyring;

const SECRET: &str = "SESSION_SECRET";

/// `None` without a problem only in development: `serve` makes a key and keeps it in a file.
pub(super) fn read_keyring(reader: &mut Reader) -> Option<Arc<Keyring>> {
    match Keyring::parse(reader.required(SECRET)?) {
        Ok(keyring) => {
            strength::check_keys(SECRET, reader.list(SECRET), reader);
            Some(Arc::new(keyring))
        }
        Err(fault) => {
            let message = format!(
                "{fault} (a comma-separated list, newest first; make a key with `openssl rand -hex 32`)"
            );
            reader.refuse(SECRET, message);
            None
        }
    }
}
