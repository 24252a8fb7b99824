//! `/user/…`: a person's own data.

mod deletion;
mod export;
mod messages;
mod profile;
mod traits;
