//! Keys and values about the database itself: the environment that it belongs to, and its issuers.

use super::execute::Execute;
use super::statement::statements;
use super::{OpenError, Pools};
use crate::clock::Timestamp;
use crate::config::Environment;

/// The key of the environment.
pub(super) const ENVIRONMENT: &str = "environment";

statements! {
    /// The first value stays; a later call changes nothing.
    CLAIM_META {
        both: "insert into app_meta (key, value, updated_at) values ($1, $2, $3)
               on conflict (key) do nothing",
    }
    READ_META {
        both: "select value from app_meta where key = $1",
    }
    WRITE_META {
        both: "insert into app_meta (key, value, updated_at) values ($1, $2, $3)
               on conflict (key) do update set value = excluded.value, updated_at = excluded.updated_at",
    }
}

/// Writes `environment` into a database that has no environment yet. Fails if the database has another one.
pub(super) async fn claim_environment(
    pools: &Pools,
    environment: Environment,
    now: Timestamp,
) -> Result<(), OpenError> {
    // Only what is missing is written, so that the backend can start on a read-only database and answer
    // that it is not ready.
    if check_environment(pools, environment).await?.is_none() {
        let params = (ENVIRONMENT, environment.into_str(), now);
        pools.writes().execute(CLAIM_META, params).await?;
        check_environment(pools, environment).await?;
    }
    Ok(())
}

/// The environment of the database, if it has one. Fails if that is not `environment`.
pub(super) async fn check_environment(
    pools: &Pools,
    environment: Environment,
) -> Result<Option<String>, OpenError> {
    let mut writes = pools.writes();
    let stored = writes.optional_value(READ_META, (ENVIRONMENT,)).await?;
    compare_environment(stored, environment)
}

/// Returns `stored`. Fails if it is not `environment`.
pub(super) fn compare_environment(
    stored: Option<String>,
    environment: Environment,
) -> Result<Option<String>, OpenError> {
    let wanted = environment.into_str();
    match stored {
        Some(stored) if stored != wanted => Err(OpenError::OtherEnvironment {
            stored,
            wanted: wanted.to_owned(),
        }),
        stored => Ok(stored),
    }
}
