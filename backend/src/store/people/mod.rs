//! What is kept about a person, by the person.
//!
//! Every statement names the owner, on both databases, and what serves a signed-in person also runs
//! under row-level security where the database has it. Deleting a person (`deletion`), taking a number
//! from one person to the next (`tenure`) and exporting (`export`) see everything of one person at
//! once; the rest reads and writes one thing. What is acceptable and what it means to the person is
//! decided in `crate::people`. Handles that are no person's have no owner to name: `traces` finds what
//! stands under one, `handle` reads and deletes it, both for the operator alone.

pub(in crate::store) mod deletion;
pub(in crate::store) mod export;
pub(in crate::store) mod handle;
pub(in crate::store) mod messages;
pub(in crate::store) mod profile;
pub(in crate::store) mod reader;
pub(in crate::store) mod tenure;
pub(in crate::store) mod traces;
pub(in crate::store) mod traits;

pub use deletion::{Deleted, Progress, ProviderAccount};
pub use export::{
    ConversationRow, ExportRows, ExportedEvent, ExportedRelationship, ExportedSession, RestOfUser,
};
pub use handle::ConversationSlice;
pub use messages::{MessagePosition, MessageQuery, MessageRow};
pub use profile::{OnboardingRow, ProfileRow, RelationshipRow, UserRow};
pub use reader::Reader;
pub use tenure::{Holder, NewHolder};
pub use traces::{Membership, TracedMessage, Traces};
pub use traits::{TraitRow, TraitsError};
