//! The register of every statement, so that a test can prepare each one on both databases.
//!
//! A statement is written in the file that runs it, by the `statements!` macro, which also lists it;
//! this file gathers the lists. Both dialects of a pair take the same parameters in the same order.

/// One statement in both dialects.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    /// Name of the constant.
    pub name: &'static str,
    /// Text for Postgres; empty if only SQLite runs it.
    pub postgres: &'static str,
    /// Text for SQLite; empty if only Postgres runs it.
    pub sqlite: &'static str,
}

/// Declares statements and lists them in `ALL`. `both` is one text for both databases; otherwise each
/// dialect that runs it is given.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident { $($dialect:ident: $sql:expr),+ $(,)? })+) => {
        $(
            $(#[$doc])*
            pub(in crate::store) const $name: $crate::store::statements::Statement =
                $crate::store::statements::statement!(stringify!($name), $($dialect: $sql),+);
        )+
        /// Every statement of this file.
        pub(in crate::store) const ALL: &[$crate::store::statements::Statement] = &[$($name),+];
    };
}

macro_rules! statement {
    ($name:expr, both: $sql:expr) => {
        $crate::store::statements::Statement {
            name: $name,
            postgres: $sql,
            sqlite: $sql,
        }
    };
    ($name:expr, postgres: $postgres:expr, sqlite: $sqlite:expr) => {
        $crate::store::statements::Statement {
            name: $name,
            postgres: $postgres,
            sqlite: $sqlite,
        }
    };
    ($name:expr, postgres: $postgres:expr) => {
        $crate::store::statements::Statement {
            name: $name,
            postgres: $postgres,
            sqlite: "",
        }
    };
    ($name:expr, sqlite: $sqlite:expr) => {
        $crate::store::statements::Statement {
            name: $name,
            postgres: "",
            sqlite: $sqlite,
        }
    };
}

pub(super) use {statement, statements};

/// Every statement that the store runs.
pub fn all() -> impl Iterator<Item = Statement> {
    [
        super::accounts::ALL,
        super::adoption::ALL,
        super::breaker::ALL,
        super::cleaning::ALL,
        super::former::ALL,
        super::history::ALL,
        super::issuer::ALL,
        super::audit::ALL,
        super::jobs::ALL,
        super::sessions::ALL,
        super::sessions::ENDING,
        super::sessions::OPENING,
        super::sessions::TOKENS,
        super::sessions::UPSTREAM,
        super::keys::ALL,
        super::limits::ALL,
        super::lines::ALL,
        super::meta::ALL,
        super::newest::ALL,
        super::otp::approvals::ALL,
        super::otp::attempts::ALL,
        super::otp::cleaning::ALL,
        super::otp::codes::ALL,
        super::otp::live::ALL,
        super::receipts::ALL,
        super::relays::ALL,
        super::signing_keys::ALL,
        super::entry::ALL,
        super::tombstones::ALL,
        super::people::deletion::ALL,
        super::people::export::ALL,
        super::people::handle::ALL,
        super::people::messages::ALL,
        super::people::profile::ALL,
        super::people::tenure::ALL,
        super::people::traces::ALL,
        super::people::traits::ALL,
        super::intake::postgres::ALL,
        super::intake::sqlite::ALL,
        super::intake::sqlite::conversation::ALL,
    ]
    .into_iter()
    .flatten()
    .copied()
}
