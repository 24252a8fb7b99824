//! A statement, in the SQL of each database that runs it.
//!
//! The file that runs a statement declares it with `statements!`, which also lists it in the file's `ALL`.
//! Tests prepare every listed statement on each database that runs it. If a statement has two texts, both take the
//! same parameters in the same order.

/// One statement.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    /// Name of the constant.
    pub name: &'static str,
    /// Text for Postgres; empty if only SQLite runs it.
    pub postgres: &'static str,
    /// Text for SQLite; empty if only Postgres runs it.
    pub sqlite: &'static str,
}

impl Statement {
    pub(in crate::store) const fn named(name: &'static str) -> Self {
        Self {
            name,
            postgres: "",
            sqlite: "",
        }
    }

    pub(in crate::store) const fn both(self, sql: &'static str) -> Self {
        self.postgres(sql).sqlite(sql)
    }

    pub(in crate::store) const fn postgres(mut self, sql: &'static str) -> Self {
        self.postgres = sql;
        self
    }

    pub(in crate::store) const fn sqlite(mut self, sql: &'static str) -> Self {
        self.sqlite = sql;
        self
    }
}

/// Declares statements and lists them in `ALL`. `both` is one text for both databases; otherwise each
/// database that runs it has its own.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident { $($database:ident: $sql:expr),+ $(,)? })+) => {
        $(
            $(#[$doc])*
            pub(in crate::store) const $name: $crate::store::statement::Statement =
                $crate::store::statement::Statement::named(stringify!($name))$(.$database($sql))+;
        )+
        /// Every statement of this file.
        pub(in crate::store) const ALL: &[$crate::store::statement::Statement] = &[$($name),+];
    };
}

pub(super) use statements;
