//! `/auth/…` from the wire.

mod sign_in;
