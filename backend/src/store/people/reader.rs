//! Who reads about a person: themselves, under row-level security, or the operator on the machine.

use uuid::Uuid;

use crate::store::Actor;

/// Who reads, and about whom.
#[derive(Clone, Debug)]
pub enum Reader {
    /// A signed-in person reads about themselves.
    Themselves(Actor),
    /// The operator reads about a person, who may never have signed in.
    Operator(Uuid),
}

impl Reader {
    /// The person who is read about.
    pub fn user_id(&self) -> Uuid {
        match self {
            Self::Themselves(actor) => actor.user_id,
            Self::Operator(user_id) => *user_id,
        }
    }

    /// The person whose rights the reading is done with. The operator reads as the backend itself.
    pub fn actor(&self) -> Option<&Actor> {
        match self {
            Self::Themselves(actor) => Some(actor),
            Self::Operator(_) => None,
        }
    }
}
