//! `keys rotate`: makes a new signing key for access tokens, unless Supabase issues them. The stored keys that are in
//! use are encrypted ("sealed") anew, with the newest key of `SESSION_SECRET`.

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
    /// Make a new signing key for access tokens, and encrypt the stored keys anew
    #[command(
        after_long_help = "The new signing key is published at once. It signs after three minutes, \
when every replica has it. An old key still verifies the tokens that it signed; it is removed by the next \
rotation or start after the last of them has expired, about an hour later. No session ends.\n\n\
To change SESSION_SECRET:\n  \
1. deploy `old,new`, so that every replica knows the new secret before any uses it\n  \
2. deploy `new,old`\n  \
3. run this command\n  \
4. deploy `new` alone, once the sessions whose refresh tokens were made with `old` are over"
    )]
    Rotate,
}

pub(super) async fn run(args: Args, config: &Config) -> Result<(), Failure> {
    let Command::Rotate = args.command;
    let new_key = with_store(config, async |store, now| {
        let keyring = keyring(config, &mut rand::rng())?;
        // Reading the pepper, the key of all keyed hashes in the database, seals it with the newest key.
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
        Some(id) => eprintln!("three minutes from now, access tokens are signed with {id}"),
        None => eprintln!("the stored keys are encrypted anew; Supabase signs access tokens"),
    }
    Ok(())
}
