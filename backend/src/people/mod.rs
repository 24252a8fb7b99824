//! A person's own data: what they see, change, take with them and have deleted, and whose a number is.
//!
//! What is acceptable is decided here, before anything is stored. What belongs to a person is decided by
//! the store's queries, which name the owner, and by row-level security behind them. Sign-in asks
//! [`resolve_for_sign_in`] which person a confirmed number belongs to.

mod cursor;
mod deletion;
mod export;
mod handle;
mod name;
mod number_reassignment;
mod profile;
mod traits;

pub use cursor::{InvalidCursor, InvalidLimit, PageSize, encode_cursor, parse_cursor};
pub(crate) use deletion::{DeletePerson, Deleter};
pub use deletion::{Hidden, delete_person, hide_person};
pub use export::Export;
pub(crate) use handle::DeleteHandle;
pub use handle::{HandleExport, delete_handle};
pub use name::{InvalidName, PersonName};
pub use number_reassignment::resolve_for_sign_in;
pub use profile::{MessagesPage, OnboardingView, ProfileView, TraitsView};
pub use traits::{GivenTraits, InvalidTraits, MAX_TRAITS, TraitName};

/// The persona whom a message is for if it names none.
pub const DEFAULT_PERSONA: &str = "sage";
