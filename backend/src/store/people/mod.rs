//! The rows about a person.
//!
//! Every statement names the person, on both databases. Statements for a signed-in person also run under row-level
//! security where the database has it. `deletion`, `number_reassignment` and `export` concern all rows of a person;
//! each of the other modules concerns one kind. `crate::people` decides which values are accepted. For a handle
//! without a person, `traces` finds the rows, and `handle` reads and deletes them. Only the operator can use these
//! two.

pub(in crate::store) mod deletion;
pub(in crate::store) mod export;
pub(in crate::store) mod handle;
pub(in crate::store) mod messages;
pub(in crate::store) mod number_reassignment;
pub(in crate::store) mod profile;
pub(in crate::store) mod reader;
pub(in crate::store) mod traces;
pub(in crate::store) mod traits;

pub use deletion::{Progress, ProviderAccount};
pub use export::{
    ConversationRow, ExportRows, ExportedEvent, ExportedRelationship, ExportedSession, RestOfUser,
};
pub use messages::{MessagePosition, MessageQuery, MessageRow};
pub use number_reassignment::{ConfirmedNumber, NumberOwner};
pub use profile::{OnboardingRow, ProfileRow, RelationshipRow, UserRow};
pub use reader::Reader;
pub use traces::{HandleRows, Membership, TracedMessage};
pub use traits::{TraitRow, TraitsError};
