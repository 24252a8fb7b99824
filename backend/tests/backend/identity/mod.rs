//! The issuers of access tokens: the backend's own keys, and a Supabase project, for which a stand-in answers.

mod accounts;
mod binding;
mod changed_accounts;
mod commands;
mod faults;
mod local;
mod native_codes;
mod public_keys;
mod sessions;
mod settings;
mod sign_in;
mod support;
mod tokens;
