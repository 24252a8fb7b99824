//! Development or production.

/// What this deployment is for. The database remembers it, so that neither can be mixed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// Everything has a default, weak secrets are warned about.
    Development,
    /// Weak, missing or half-set values are refused.
    Production,
}

impl Environment {
    /// As it stands in `APP_ENV`, in the database and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
        }
    }
}
