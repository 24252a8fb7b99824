//! The issuers of access tokens: the backend's own keys, and a Supabase project, played by the stand-in.

mod accounts;
mod binding;
mod commands;
mod faults;
mod holders;
mod local;
mod native_codes;
mod public_keys;
mod sessions;
mod settings;
mod sign_in;
mod support;
mod tokens;
