//! The answer of the health route.

use serde::{Deserialize, Serialize};

/// Body of a 200 at [`crate::HEALTH_ROUTE`]. The answer is not signed, so it proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok`
    pub status: String,
    /// Version of the backend.
    pub version: String,
    /// Whether the backend keeps messages with `rehearsal` apart from those of the relay. A backend without this
    /// field in its answer ignores `rehearsal`.
    #[serde(default)]
    pub rehearsals: bool,
}
