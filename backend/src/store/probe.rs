//! Whether this backend could serve on the configured database: asked without changing anything.

use sqlx::PgConnection;

use super::error::refuse;
use super::finding::Finding;
use super::migrate::check_migrated;
use super::postgres::{SERVING, Server};
use super::{OpenError, Pools, Store, connection_health, safety};
use crate::config::{DatabaseConfig, DatabaseKind, Environment};

/// A database that could be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Host and port, or the file.
    pub place: String,
    /// How many migrations it lacks.
    pub pending: usize,
}

impl Store {
    /// Looks at the configured database as [`Store::migrate`] and [`Store::open`] would find it.
    pub async fn probe(
        config: &DatabaseConfig,
        environment: Environment,
    ) -> Result<Probe, OpenError> {
        let plan = Self::plan(config, environment).await?;
        refuse(plan.needs, OpenError::NotReady)?;
        let pending = plan.migrations.len();
        if pending > 0 && !plan.newer.is_empty() {
            let both =
                "it has migrations that this version does not know, and lacks some that it does";
            return Err(OpenError::TooNew(vec![both.to_owned()]));
        }
        let place = match &config.kind {
            DatabaseKind::Sqlite { path } => path.display().to_string(),
            DatabaseKind::Postgres { url } => {
                let server = Server::reach(url, &config.tls, SERVING).await?;
                let pool = server.pool(1).await?;
                if pending == 0 {
                    // Also with what a newer version has added.
                    check_migrated(&Pools::Postgres(pool.clone())).await?;
                }
                let mut connection = connection_health::acquire(&pool).await?;
                refuse(writes(&mut connection).await?, OpenError::NotReady)?;
                if pending == 0 {
                    refuse(safety::check(&mut connection).await?, OpenError::NotSafe)?;
                }
                drop(connection);
                pool.close().await;
                server.address()
            }
        };
        Ok(Probe { place, pending })
    }
}

/// What keeps this login from writing, if anything does.
async fn writes(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let is_read_only: bool = sqlx::query_scalar(
        "select pg_is_in_recovery() or current_setting('transaction_read_only')::boolean",
    )
    .fetch_one(connection)
    .await?;
    let finding = Finding::new("the database is read-only", [] as [&str; 0]);
    Ok(is_read_only.then_some(finding).into_iter().collect())
}
