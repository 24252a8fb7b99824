//! What the database knows about itself: the environment it belongs to.

use super::execute::Execute;
use super::statement::statements;
use super::{OpenError, Pools};
use crate::clock::Timestamp;
use crate::config::Environment;

statements! {
    /// First come, first served; a later call changes nothing.
    CLAIM_ENVIRONMENT {
        both: "insert into app_meta (key, value, updated_at) values ('environment', $1, $2)
               on conflict (key) do nothing",
    }
    READ_ENVIRONMENT {
        both: "select value from app_meta where key = 'environment'",
    }
}

/// Writes `environment` into a database that belongs to none, and refuses one that belongs to another.
pub(super) async fn claim_environment(
    pools: &Pools,
    environment: Environment,
    now: Timestamp,
) -> Result<(), OpenError> {
    // A database that is read-only at this time can be started on: it says that it is not ready.
    if check_environment(pools, environment).await? == Claim::Ours {
        return Ok(());
    }
    let params = (environment.as_str(), now);
    pools.writes().execute(CLAIM_ENVIRONMENT, params).await?;
    check_environment(pools, environment).await.map(drop)
}

/// Whose a database is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    None,
    Ours,
}

/// Refuses a database that belongs to another environment.
pub(super) async fn check_environment(
    pools: &Pools,
    environment: Environment,
) -> Result<Claim, OpenError> {
    let stored = pools.writes().optional_value(READ_ENVIRONMENT, ()).await?;
    compare_environment(stored, environment)
}

/// Refuses what another environment has stored.
pub(super) fn compare_environment(
    stored: Option<String>,
    environment: Environment,
) -> Result<Claim, OpenError> {
    match stored {
        None => Ok(Claim::None),
        Some(stored) if stored != environment.as_str() => Err(OpenError::OtherEnvironment {
            stored,
            wanted: environment.as_str().to_owned(),
        }),
        Some(_) => Ok(Claim::Ours),
    }
}
