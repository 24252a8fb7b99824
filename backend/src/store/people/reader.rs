//! Who reads about a person: the person, under row-level security, or the operator on the machine.

use uuid::Uuid;

use crate::store::Actor;

#[derive(Clone, Debug)]
pub enum Reader {
    Themselves(Actor),
    /// About this person, who may never have signed in.
    Operator(Uuid),
}

impl Reader {
    pub fn user_id(&self) -> Uuid {
        match self {
            Self::Themselves(actor) => actor.user_id,
            Self::Operator(user_id) => *user_id,
        }
    }

    /// Whose rights apply. The operator reads as the backend itself.
    pub fn actor(&self) -> Option<&Actor> {
        match self {
            Self::Themselves(actor) => Some(actor),
            Self::Operator(_) => None,
        }
    }
}
