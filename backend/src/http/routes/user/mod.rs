//! `/user/…`: a signed-in person's own data. One file per path.

mod deletion;
mod export;
mod messages;
mod onboarding;
mod profile;
mod traits;

use crate::http::callers::SignedIn;
use crate::http::route::Route;
use crate::store::people::Reader;

pub(super) fn routes() -> Vec<Route> {
    [
        profile::routes(),
        traits::routes(),
        onboarding::routes(),
        messages::routes(),
        export::routes(),
        deletion::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The person as a reader of their own data.
fn reader(signed_in: &SignedIn) -> Reader {
    Reader::Themselves(signed_in.actor())
}

/// The first value of a query parameter.
fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut matching = pairs.filter(|(key, _)| key == name);
    matching.next().map(|(_, value)| value.into_owned())
}
