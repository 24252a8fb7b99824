//! Runs a statement on the database that is open, Postgres or SQLite.
//!
//! The parameters of a statement are a tuple: the first is `$1`. `execute` counts the changed rows. `one`,
//! `optional` and `all` read rows into a struct or a tuple. `value`, `optional_value` and `values` read the only
//! column of those rows.

use sqlx::error::BoxDynError;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, Encode, FromRow, Postgres, Sqlite, Type};
use uuid::Uuid;

use super::StoreError;
use super::statement::Statement;

/// A value that both databases take as a parameter.
pub(in crate::store) trait Param<'q>:
    Encode<'q, Postgres> + Type<Postgres> + Encode<'q, Sqlite> + Type<Sqlite> + Send + Sync
{
}

impl<'q, T> Param<'q> for T where
    T: Encode<'q, Postgres> + Type<Postgres> + Encode<'q, Sqlite> + Type<Sqlite> + Send + Sync
{
}

/// The parameters of a statement: a tuple of [`Param`].
pub(in crate::store) trait Params<'q>: Send + Sync {
    fn for_postgres(&self) -> Result<PgArguments, BoxDynError>;
    fn for_sqlite(&self) -> Result<SqliteArguments, BoxDynError>;
}

impl Params<'_> for () {
    fn for_postgres(&self) -> Result<PgArguments, BoxDynError> {
        Ok(PgArguments::default())
    }

    fn for_sqlite(&self) -> Result<SqliteArguments, BoxDynError> {
        Ok(SqliteArguments::default())
    }
}

/// Implements [`Params`] for tuples of the given types and, by recursion, for each shorter tuple.
macro_rules! tuples {
    ($first:ident $($rest:ident)*) => {
        impl<'q, $first: Param<'q>, $($rest: Param<'q>),*> Params<'q> for ($first, $($rest,)*) {
            #[expect(non_snake_case, reason = "the names of the type parameters also name the values")]
            fn for_postgres(&self) -> Result<PgArguments, BoxDynError> {
                let ($first, $($rest,)*) = self;
                let mut arguments = PgArguments::default();
                arguments.add($first)?;
                $(arguments.add($rest)?;)*
                Ok(arguments)
            }

            #[expect(non_snake_case, reason = "the names of the type parameters also name the values")]
            fn for_sqlite(&self) -> Result<SqliteArguments, BoxDynError> {
                let ($first, $($rest,)*) = self;
                let mut arguments = SqliteArguments::default();
                arguments.add($first)?;
                $(arguments.add($rest)?;)*
                Ok(arguments)
            }
        }
        tuples!($($rest)*);
    };
    () => {};
}

tuples!(A B C D E F G H I J K L M N O P Q R S);

/// A list of ids as a parameter of statements. The two databases have no common type for lists.
pub(in crate::store) fn json_list(ids: &[Uuid]) -> String {
    let ids: Vec<_> = ids.iter().map(|id| id.simple().to_string()).collect();
    serde_json::json!(ids).to_string()
}

/// A type that rows of both databases can be read into.
pub(in crate::store) trait Row:
    for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin
{
}

impl<T> Row for T where T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin
{}

/// Something that runs statements: an open transaction, or the pools, which run each statement in a transaction of its
/// own.
pub(in crate::store) trait Execute: Send {
    /// Runs a statement. Returns how many rows it changed.
    fn execute<'q>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Runs a statement. Returns every row.
    fn all<'q, R: Row>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> impl Future<Output = Result<Vec<R>, StoreError>> + Send;

    /// The first row, if there is one.
    fn optional<'q, R: Row>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> impl Future<Output = Result<Option<R>, StoreError>> + Send {
        async move { Ok(self.all(statement, params).await?.into_iter().next()) }
    }

    /// The row of a statement that always returns exactly one.
    fn one<'q, R: Row>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> impl Future<Output = Result<R, StoreError>> + Send {
        async move {
            let row = self.optional(statement, params).await?;
            row.ok_or_else(|| sqlx::Error::RowNotFound.into())
        }
    }

    /// The only column of every row.
    fn values<'q, T: Send>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> impl Future<Output = Result<Vec<T>, StoreError>> + Send
    where
        (T,): Row,
    {
        async move {
            let rows: Vec<(T,)> = self.all(statement, params).await?;
            Ok(rows.into_iter().map(|(value,)| value).collect())
        }
    }

    /// The only column of the first row, if there is one.
    fn optional_value<'q, T: Send>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> impl Future<Output = Result<Option<T>, StoreError>> + Send
    where
        (T,): Row,
    {
        async move {
            let row: Option<(T,)> = self.optional(statement, params).await?;
            Ok(row.map(|(value,)| value))
        }
    }

    /// The only column of the row of a statement that always returns exactly one.
    fn value<'q, T: Send>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> impl Future<Output = Result<T, StoreError>> + Send
    where
        (T,): Row,
    {
        async move {
            let (value,): (T,) = self.one(statement, params).await?;
            Ok(value)
        }
    }
}

/// A connection from a pool of either database.
pub(in crate::store) enum PooledConnection {
    Postgres(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>),
}

impl PooledConnection {
    pub(in crate::store) async fn execute<'q>(
        &mut self,
        statement: Statement,
        params: &impl Params<'q>,
    ) -> Result<u64, sqlx::Error> {
        Ok(match self {
            Self::Postgres(connection) => {
                let arguments = params.for_postgres().map_err(sqlx::Error::Encode)?;
                let query = sqlx::query_with(statement.postgres, arguments);
                query.execute(&mut **connection).await?.rows_affected()
            }
            Self::Sqlite(connection) => {
                let arguments = params.for_sqlite().map_err(sqlx::Error::Encode)?;
                let query = sqlx::query_with(statement.sqlite, arguments);
                query.execute(&mut **connection).await?.rows_affected()
            }
        })
    }

    pub(in crate::store) async fn all<'q, R: Row>(
        &mut self,
        statement: Statement,
        params: &impl Params<'q>,
    ) -> Result<Vec<R>, sqlx::Error> {
        match self {
            Self::Postgres(connection) => {
                let arguments = params.for_postgres().map_err(sqlx::Error::Encode)?;
                let query = sqlx::query_as_with(statement.postgres, arguments);
                query.fetch_all(&mut **connection).await
            }
            Self::Sqlite(connection) => {
                let arguments = params.for_sqlite().map_err(sqlx::Error::Encode)?;
                let query = sqlx::query_as_with(statement.sqlite, arguments);
                query.fetch_all(&mut **connection).await
            }
        }
    }
}
