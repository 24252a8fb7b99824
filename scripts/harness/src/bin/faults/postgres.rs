//! A Postgres server on which each run gets a database of its own.

use anyhow::Context;
use archety_harness::{Backend, BackendStore, Binaries, Secret};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// The database that the others are copied from: each has all migrations.
const TEMPLATE: &str = "faults_template";

/// A server, and the database that is copied.
#[derive(Clone)]
pub(crate) struct Cluster {
    /// The URL of a superuser, without the name of a database.
    server: String,
}

impl Cluster {
    /// Makes the database that is copied. `url` is that of a superuser; its database is only used to make others.
    pub(crate) fn prepare(binaries: &Binaries, url: &str) -> anyhow::Result<Self> {
        let (server, _) = url
            .rsplit_once('/')
            .context("the URL of Postgres names a database")?;
        let cluster = Self {
            server: server.to_owned(),
        };
        cluster.execute(&format!("drop database if exists {TEMPLATE} with (force)"))?;
        cluster.execute(&format!("create database {TEMPLATE}"))?;
        let folder = tempfile::tempdir()?;
        let log = folder.path().join("backend.log");
        let secret = Secret::default();
        let store = cluster.store(TEMPLATE);
        let mut backend = Backend::start(binaries, &store, &secret, 0, &[], &log)?;
        backend.process.terminate()?;
        Ok(cluster)
    }

    /// A new database with all migrations.
    pub(crate) fn database(&self, name: &str) -> anyhow::Result<BackendStore> {
        let name = format!("faults_{name}");
        self.execute(&format!("drop database if exists {name} with (force)"))?;
        self.execute(&format!("create database {name} template {TEMPLATE}"))?;
        Ok(self.store(&name))
    }

    /// Makes the second database anew as a copy of the first one, which no program may use. Both are URLs.
    pub(crate) fn copy(&self, from: &str, to: &str) -> anyhow::Result<()> {
        let name = |url: &str| url.rsplit('/').next().unwrap_or_default().to_owned();
        let (from, to) = (name(from), name(to));
        self.execute(&format!("drop database if exists {to} with (force)"))?;
        // The server may take a moment to notice that the programs have ended.
        self.execute(&format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{from}'"
        ))?;
        self.execute(&format!("create database {to} template {from}"))
    }

    fn store(&self, database: &str) -> BackendStore {
        BackendStore::Postgres(format!("{}/{database}", self.server))
    }

    fn execute(&self, sql: &str) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            let url = format!("{}/postgres", self.server);
            let mut connection = PgConnection::connect(&url).await?;
            sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
                .execute(&mut connection)
                .await?;
            Ok(connection.close().await?)
        })
    }
}
