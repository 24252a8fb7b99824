//! Development or production.

/// The purpose of this deployment. The database remembers it, so that no process of the other kind uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Environment {
    /// Every setting has a default; weak secrets cause warnings.
    Development,
    /// Weak, missing or half-set values stop the start.
    Production,
}

impl Environment {
    /// The word in `APP_ENV`, in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    pub(super) fn is_production(self) -> bool {
        self == Self::Production
    }
}
