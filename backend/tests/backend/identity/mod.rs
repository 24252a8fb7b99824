//! Who issues access tokens: our own keys, and a Supabase project as the stand-in plays it.

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
