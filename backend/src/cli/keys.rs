//! `keys rotate`: makes a new signing key for access tokens and seals all stored keys with the newest key of
//! `SESSION_SECRET`.

use clap::Subcommand;

use super::{Failure, with_store};
use crate::audit::{self, Event, EventKind};
use crate::config::{Config, IdentityConfig};
use crate::former_accounts;
use crate::identity::rotate_signing_key;
use crate::ids::random_bytes;
use crate::services::keyring;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a new key for access tokens, and seal all keys anew
    #[command(
        after_long_help = "The new key is published at once and signs after three minutes, \
when every replica has it. Old keys verify what they signed until it expires, about an hour, and are \
removed by the next rotation or start. No session ends.\n\n\
To change SESSION_SECRET, deploy `old,new`, so that every replica knows the new key before any uses it; \
then `new,old`; run this; and deploy `new` alone once the sessions that hang on the old one are over."
    )]
    Rotate,
}

pub(super) async fn run(args: Args, config: &Config) -> Result<(), Failure> {
    let Command::Rotate = args.command;
    let new_key = with_store(config, async |store, now| {
        let keyring = keyring(config, &mut rand::rng())?;
        // Reading the pepper seals it again with the newest key.
        store.pepper(&keyring, random_bytes(), now).await?;
        former_accounts::reseal(store, &keyring).await?;
        let (new_key, outcome) = match config.identity {
            IdentityConfig::Local => {
                let id = rotate_signing_key(store, &keyring, now).await?;
                (Some(id), "rotated")
            }
            IdentityConfig::Supabase(_) => (None, "resealed"),
        };
        audit::record(store, Event::new(EventKind::KeysRotate, outcome), now).await;
        Ok(new_key)
    })
    .await?;
    match new_key {
        Some(id) => eprintln!("access tokens are signed with {id} from three minutes on"),
        None => eprintln!("kept keys are sealed anew; Supabase signs access tokens"),
    }
    Ok(())
}
