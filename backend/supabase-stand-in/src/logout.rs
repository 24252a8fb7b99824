//! `POST /logout`: ends sessions by the access token of one of them.

use http::StatusCode;
use stand_in::{Answer, Request};

use crate::auth::{Auth, query_value};
use crate::error::{Outcome, Refusal};
use crate::state::Ending;

impl Auth {
    pub(crate) fn logout(&self, request: &Request) -> Outcome {
        let mut state = self.lock();
        let caller = self.require_user(request, &state)?;
        let scope = query_value(request, "scope");
        let which = match (scope.as_str(), caller.session) {
            // Without a session in the token every scope means all of them.
            ("" | "global", _) | ("local" | "others", None) => Ending::All,
            ("local", Some(session)) => Ending::Only(session),
            ("others", Some(session)) => Ending::AllBut(session),
            (unknown, _) => {
                let message = format!("Unsupported logout scope {unknown:?}");
                return Err(Refusal::validation(message));
            }
        };
        state.end_sessions(caller.user, which);
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }
}
