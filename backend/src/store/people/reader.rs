//! Who reads a person's data: the person, under row-level security, or the operator.

use uuid::Uuid;

use crate::store::Actor;

/// Who reads a person's data.
#[derive(Clone, Debug)]
pub enum Reader {
    Themselves(Actor),
    /// The operator, who reads the data of this person. The person may never have signed in.
    Operator(Uuid),
}

impl Reader {
    /// The person whose data is read.
    pub fn user_id(&self) -> Uuid {
        match self {
            Self::Themselves(actor) => actor.user_id,
            Self::Operator(user_id) => *user_id,
        }
    }

    /// The person whose rights apply; `None` for the operator, who reads with the rights of the backend.
    pub fn actor(&self) -> Option<&Actor> {
        match self {
            Self::Themselves(actor) => Some(actor),
            Self::Operator(_) => None,
        }
    }
}
