//! Running a statement, on whichever database is open: `execute(STATEMENT, (a, b))`, `one`, `optional`,
//! `all`.
//!
//! Parameters are a tuple, in the order of their numbers. Rows are read into a struct or a tuple, single
//! values by `value`, `optional_value` and `values`.

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{
    Arguments, Decode, Encode, FromRow, PgConnection, Postgres, Sqlite, SqliteConnection, Type,
};

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

/// The parameters of a statement: a tuple of them.
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

/// Gives tuples of each length their parameters.
macro_rules! tuples {
    ($first:ident $($rest:ident)*) => {
        impl<'q, $first: Param<'q>, $($rest: Param<'q>),*> Params<'q> for ($first, $($rest,)*) {
            #[expect(non_snake_case, reason = "each value has the name of its type")]
            fn for_postgres(&self) -> Result<PgArguments, BoxDynError> {
                let ($first, $($rest,)*) = self;
                let mut arguments = PgArguments::default();
                arguments.add($first)?;
                $(arguments.add($rest)?;)*
                Ok(arguments)
            }

            #[expect(non_snake_case, reason = "each value has the name of its type")]
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

tuples!(A B C D E F G H I J K L M N O P Q R);

/// A row that both databases give.
pub(in crate::store) trait Row:
    for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin
{
}

impl<T> Row for T where T: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin
{}

/// A single value that both databases give.
pub(in crate::store) trait Value:
    for<'r> Decode<'r, Postgres>
    + Type<Postgres>
    + for<'r> Decode<'r, Sqlite>
    + Type<Sqlite>
    + Send
    + Unpin
{
}

impl<T> Value for T where
    T: for<'r> Decode<'r, Postgres>
        + Type<Postgres>
        + for<'r> Decode<'r, Sqlite>
        + Type<Sqlite>
        + Send
        + Unpin
{
}

/// Something that runs statements: a transaction, or the pools, where each statement is its own.
pub(in crate::store) trait Execute: Send {
    /// Runs a statement and tells how many rows it changed.
    fn execute<'q>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Every row.
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

    /// The one row that there always is.
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
    fn values<'q, T: Value>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> impl Future<Output = Result<Vec<T>, StoreError>> + Send {
        async move {
            let rows: Vec<(T,)> = self.all(statement, params).await?;
            Ok(rows.into_iter().map(|(value,)| value).collect())
        }
    }

    /// The only column of the first row, if there is one.
    fn optional_value<'q, T: Value>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> impl Future<Output = Result<Option<T>, StoreError>> + Send {
        async move {
            let row: Option<(T,)> = self.optional(statement, params).await?;
            Ok(row.map(|(value,)| value))
        }
    }

    /// The only column of the one row that there always is.
    fn value<'q, T: Value>(
        &mut self,
        statement: Statement,
        params: impl Params<'q>,
    ) -> impl Future<Output = Result<T, StoreError>> + Send {
        async move {
            let (value,): (T,) = self.one(statement, params).await?;
            Ok(value)
        }
    }
}

pub(in crate::store) async fn execute_on_postgres<'q>(
    connection: &mut PgConnection,
    statement: Statement,
    params: &impl Params<'q>,
) -> Result<u64, sqlx::Error> {
    let arguments = params.for_postgres().map_err(sqlx::Error::Encode)?;
    let query = sqlx::query_with(statement.postgres, arguments);
    Ok(query.execute(connection).await?.rows_affected())
}

pub(in crate::store) async fn execute_on_sqlite<'q>(
    connection: &mut SqliteConnection,
    statement: Statement,
    params: &impl Params<'q>,
) -> Result<u64, sqlx::Error> {
    let arguments = params.for_sqlite().map_err(sqlx::Error::Encode)?;
    let query = sqlx::query_with(statement.sqlite, arguments);
    Ok(query.execute(connection).await?.rows_affected())
}

pub(in crate::store) async fn all_on_postgres<'q, R: Row>(
    connection: &mut PgConnection,
    statement: Statement,
    params: &impl Params<'q>,
) -> Result<Vec<R>, sqlx::Error> {
    let arguments = params.for_postgres().map_err(sqlx::Error::Encode)?;
    let query = sqlx::query_as_with(statement.postgres, arguments);
    query.fetch_all(connection).await
}

pub(in crate::store) async fn all_on_sqlite<'q, R: Row>(
    connection: &mut SqliteConnection,
    statement: Statement,
    params: &impl Params<'q>,
) -> Result<Vec<R>, sqlx::Error> {
    let arguments = params.for_sqlite().map_err(sqlx::Error::Encode)?;
    let query = sqlx::query_as_with(statement.sqlite, arguments);
    query.fetch_all(connection).await
}
