//! Development or production.

/// The purpose of this deployment. The database remembers its environment and refuses processes of the other one.
/// `APP_ENV`, the database and JSON have the names in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum Environment {
    /// The backend starts without any setting. It warns of weak secrets.
    Development,
    /// The backend does not start with a weak secret, or without a setting that production requires.
    Production,
}

impl Environment {
    pub(super) fn is_production(self) -> bool {
        self == Self::Production
    }
}
