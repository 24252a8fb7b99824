//! `keys rotate`: new keys for access tokens, and all kept keys under the newest `SESSION_SECRET`.

use clap::Subcommand;

use super::Failure;
use crate::audit::{self, Event, EventKind};
use crate::clock::Clock;
use crate::config::{Config, IdentityConfig};
use crate::former_accounts;
use crate::identity::rotate_signing_key;
use crate::ids::random_bytes;
use crate::services::keyring;
use crate::store::{KeyError, Store};
use crate::telemetry::start_logging;

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
removed by the next rotation or start. Nobody is signed out.\n\n\
To change SESSION_SECRET, deploy `old,new`, so that every replica knows the new key before any uses it; \
then `new,old`; run this; and deploy `new` alone once the sessions that hang on the old one are over."
    )]
    Rotate,
}

pub(super) async fn run(args: Args, config: Config) -> Result<(), Failure> {
    let Command::Rotate = args.command;
    start_logging(&config.logging).map_err(|error| Failure::Configuration(error.into()))?;
    let now = Clock::System.now();
    let store = Store::open_beside(&config.database, config.environment, now).await?;
    let keyring = keyring(&config, &mut rand::rng())?;
    let rotated = async {
        // Reading it seals it anew.
        store.pepper(&keyring, random_bytes(), now).await?;
        former_accounts::reseal(&store, &keyring).await?;
        match config.identity {
            IdentityConfig::Local => rotate_signing_key(&store, &keyring, now).await.map(Some),
            IdentityConfig::Supabase(_) => Ok(None),
        }
    }
    .await;
    if let Ok(made) = &rotated {
        let outcome = made.as_ref().map_or("resealed", |_| "rotated");
        audit::record(&store, Event::new(EventKind::KeysRotate, outcome), now).await;
    }
    store.close().await;
    match rotated {
        Ok(Some(id)) => eprintln!("access tokens are signed with {id} from three minutes on"),
        Ok(None) => eprintln!("kept keys are sealed anew; Supabase signs access tokens"),
        Err(KeyError::Store(error)) => return Err(Failure::Database(error.into())),
        Err(error @ KeyError::Sealed(_)) => return Err(Failure::Configuration(error.into())),
    }
    Ok(())
}
