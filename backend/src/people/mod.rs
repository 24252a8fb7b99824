//! A person's own data: profile, traits, messages, export and deletion.
//!
//! This module validates what a person changes. The store's queries name the person whose rows they read, and
//! row-level security enforces the same in the database. [`resolve_for_sign_in`] finds the person to whom a
//! confirmed number belongs.

mod contact_handle;
mod deletion;
mod export;
mod name;
mod number_reassignment;
mod pagination;
mod profile;
mod traits;

pub(crate) use contact_handle::DeleteHandle;
pub use contact_handle::{HandleExport, delete_handle};
pub(crate) use deletion::{DeletePerson, DeletionContext};
pub use deletion::{HiddenPerson, delete_person, hide_person};
pub use export::Export;
pub use name::{InvalidName, PersonName};
pub use number_reassignment::resolve_for_sign_in;
pub use pagination::{InvalidCursor, InvalidLimit, PageSize, encode_cursor, parse_cursor};
pub use profile::{MessagesPage, OnboardingView, ProfileView, TraitsView};
pub use traits::{InvalidTraits, MAX_TRAITS, TraitName, ValidTraits};

/// The persona of a message that names no persona.
pub const DEFAULT_PERSONA: &str = "sage";
