//! Freshly migrated stores of both kinds.

use std::sync::Arc;

use archety_backend::config::{DatabaseConfig, DatabaseKind, Environment};
use archety_backend::store::{Pools, Store};
use tempfile::TempDir;

use super::{NOW, TestDatabase};

/// The database a test runs on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// A migrated store in a database of its own.
pub(crate) struct TestStore {
    pub(crate) store: Store,
    pub(crate) kind: &'static str,
    pub(crate) config: DatabaseConfig,
    pub(crate) database: Option<TestDatabase>,
    folder: Option<Arc<TempDir>>,
}

impl TestStore {
    pub(crate) async fn new(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::sqlite().await,
            Engine::Postgres => Self::postgres().await,
        }
    }

    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = DatabaseConfig::from(DatabaseKind::Sqlite {
            path: folder.path().join("archety.db"),
        });
        Self {
            store: open(&config).await,
            kind: "sqlite",
            config,
            database: None,
            folder: Some(Arc::new(folder)),
        }
    }

    pub(crate) async fn postgres() -> Self {
        Self::on(TestDatabase::migrated().await).await
    }

    /// A store on a migrated Postgres database.
    pub(crate) async fn on(database: TestDatabase) -> Self {
        let config = database.config();
        Self {
            store: open(&config).await,
            kind: "postgres",
            config,
            database: Some(database),
            folder: None,
        }
    }

    /// The single number that a query returns.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        match self.store.pools() {
            Pools::Postgres(pool) => sqlx::query_scalar(sql).fetch_one(pool).await,
            Pools::Sqlite { writer, .. } => sqlx::query_scalar(sql).fetch_one(writer).await,
        }
        .expect("a number")
    }

    /// Closes the store, so that another process can open the database.
    pub(crate) async fn close(self) -> ClosedStore {
        self.store.close().await;
        ClosedStore {
            config: self.config,
            _database: self.database,
            _folder: self.folder,
        }
    }

    /// The folder of a SQLite store. It is deleted when the last reference is dropped.
    pub(crate) fn keep_folder(&self) -> Arc<TempDir> {
        Arc::clone(self.folder.as_ref().expect("a SQLite store"))
    }

    /// A SQLite store on existing files.
    pub(crate) async fn at(config: DatabaseConfig, folder: Arc<TempDir>) -> Self {
        Self {
            store: open(&config).await,
            kind: "sqlite",
            config,
            database: None,
            folder: Some(folder),
        }
    }

    /// The store of a second process on the same database. Only one process can serve a SQLite file, so on SQLite
    /// the result is a second handle of the same store.
    pub(crate) async fn second(&self) -> Store {
        match &self.database {
            Some(_) => open(&self.config).await,
            None => self.store.clone(),
        }
    }
}

/// A database that no process has open. It is deleted when this value is dropped.
pub(crate) struct ClosedStore {
    pub(crate) config: DatabaseConfig,
    _database: Option<TestDatabase>,
    _folder: Option<Arc<TempDir>>,
}

impl ClosedStore {
    /// Opens the database again, as another process does.
    pub(crate) async fn open(&self) -> Store {
        open(&self.config).await
    }
}

async fn open(config: &DatabaseConfig) -> Store {
    Store::open(config, Environment::Development, NOW)
        .await
        .expect("a migrated database opens")
}
