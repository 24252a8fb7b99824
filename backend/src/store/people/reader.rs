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
}

/// Runs a body that only reads, as its reader: `reading!(self.pools, reader, |tx, dialect| { … })`.
macro_rules! reading {
    ($pools:expr, $reader:expr, |$tx:ident, $dialect:ident| $body:block) => {
        match $reader {
            $crate::store::people::Reader::Themselves(actor) => {
                $crate::store::transaction::reading_as_user!($pools, actor, |$tx, $dialect| $body)
            }
            $crate::store::people::Reader::Operator(_) => {
                $crate::store::transaction::in_transaction!($pools, |$tx, $dialect| $body)
            }
        }
    };
}

pub(in crate::store) use reading;
