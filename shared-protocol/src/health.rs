//! What a backend says of itself to every caller.

use serde::{Deserialize, Serialize};

/// Body of a 200 at [`crate::HEALTH_ROUTE`]. It is not signed: nothing of weight may rest on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok`
    pub status: String,
    /// Version of the backend.
    pub version: String,
    /// Whether a message with `rehearsal` is kept apart from those of the relay. Backends that do not
    /// say so ignore that field.
    #[serde(default)]
    pub rehearsals: bool,
}
