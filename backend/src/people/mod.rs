//! A person's own data: what they see, change, take with them and have deleted, and whose a number is.
//!
//! What is acceptable is decided here, before anything is stored; what belongs to whom is decided by
//! the store's queries, which name the owner, and by row-level security behind them. Signing in is
//! somebody else's: it asks [`resolve_for_sign_in`] who a confirmed number is.

mod cursor;
mod deletion;
mod export;
mod handle;
mod name;
mod profile;
mod tenure;
mod traits;

pub use cursor::{InvalidCursor, InvalidLimit, PageSize, encode_cursor, parse_cursor};
pub(crate) use deletion::{DeletePerson, Deleter};
pub use deletion::{Hidden, delete_person, hide_person};
pub use export::Export;
pub(crate) use handle::DeleteHandle;
pub use handle::{HandleExport, delete_handle};
pub use name::{InvalidName, PersonName};
pub use profile::{MessagesPage, OnboardingView, ProfileView, TraitsView};
pub use tenure::{Resolved, resolve_for_sign_in};
pub use traits::{GivenTraits, InvalidTraits, MAX_TRAITS, TraitName};

/// The persona whom a message is for if it names none.
pub const DEFAULT_PERSONA: &str = "sage";
