//! `/user/…`: a person's own data, through the wire.

mod deletion;
mod profile;
mod reading;
