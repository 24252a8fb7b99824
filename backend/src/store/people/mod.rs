//! What is kept about a person, by the person.
//!
//! Every statement names the owner, on both databases, and what serves a signed-in person also runs
//! under row-level security where the database has it. `deletion`, `number_reassignment` and `export` see
//! everything of one person at once; the rest reads and writes one thing. What is acceptable and what it
//! means to the person is decided in `crate::people`. A handle without a person has no owner to name:
//! `traces` finds what is kept under one, `handle` reads and deletes it, both for the operator alone.

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
pub use traces::{Membership, TracedMessage, Traces};
pub use traits::{TraitRow, TraitsError};
