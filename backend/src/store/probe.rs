//! Checks, without changing anything, whether this backend could serve on the configured database.

use sqlx::PgConnection;

use super::error::refuse;
use super::finding::Finding;
use super::migrate::check_migrated;
use super::postgres::{SERVICE_SETTINGS, Server};
use super::{OpenError, Pools, Store, connection_health, safety};
use crate::config::{DatabaseConfig, DatabaseKind, Environment};

/// A database on which this backend could serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Host and port, or the path of the file.
    pub address: String,
    /// The number of migrations that are not applied yet.
    pub pending: usize,
}

impl Store {
    /// Makes the checks of [`Store::migrate`] and [`Store::open`] that change nothing.
    pub async fn probe(
        config: &DatabaseConfig,
        environment: Environment,
    ) -> Result<Probe, OpenError> {
        let plan = Self::plan(config, environment).await?;
        refuse(plan.needs, OpenError::NotReady)?;
        let pending = plan.migrations.len();
        if pending > 0 && !plan.newer.is_empty() {
            let mismatch =
                "it has migrations that this version does not know, and lacks some that it does";
            return Err(OpenError::TooNew(vec![mismatch.to_owned()]));
        }
        let address = match &config.kind {
            DatabaseKind::Sqlite { path } => path.display().to_string(),
            DatabaseKind::Postgres { url } => {
                let server = Server::reach(url, &config.tls, SERVICE_SETTINGS).await?;
                let connections = 1;
                let pool = server.pool(connections).await?;
                if pending == 0 {
                    // Also checks migrations of a newer version.
                    check_migrated(&Pools::Postgres(pool.clone())).await?;
                }
                let mut connection = connection_health::acquire(&pool).await?;
                refuse(
                    read_only_finding(&mut connection).await?,
                    OpenError::NotReady,
                )?;
                if pending == 0 {
                    refuse(safety::check(&mut connection).await?, OpenError::NotSafe)?;
                }
                drop(connection);
                pool.close().await;
                server.address()
            }
        };
        Ok(Probe { address, pending })
    }
}

async fn read_only_finding(connection: &mut PgConnection) -> Result<Vec<Finding>, sqlx::Error> {
    let is_read_only: bool = sqlx::query_scalar(
        "select pg_is_in_recovery() or current_setting('transaction_read_only')::boolean",
    )
    .fetch_one(connection)
    .await?;
    let finding = Finding::without_fix("the database is read-only");
    Ok(is_read_only.then_some(finding).into_iter().collect())
}
