//! `/user/…`: a signed-in person's own data. One file per route.

mod deletion;
mod export;
mod messages;
mod onboarding;
mod profile;
mod traits;

pub(in crate::http) use deletion::delete_person;
pub(in crate::http) use export::export;
pub(in crate::http) use messages::messages;
pub(in crate::http) use onboarding::onboarding;
pub(in crate::http) use profile::{change_profile, profile};
pub(in crate::http) use traits::{delete_traits, set_traits, traits};

use shared_protocol::Violation;

use crate::http::access::SignedIn;
use crate::http::api_error::ApiError;
use crate::store::people::Reader;

fn reader(signed_in: &SignedIn) -> Reader {
    Reader::Themselves(signed_in.actor())
}

fn invalid(field: &str, fault: &impl ToString) -> ApiError {
    ApiError::InvalidFields(vec![Violation {
        field: field.to_owned(),
        message: fault.to_string(),
    }])
}

/// What the query says under `name`, the first time that it says it.
fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut found = pairs.filter(|(key, _)| key == name);
    found.next().map(|(_, value)| value.into_owned())
}
