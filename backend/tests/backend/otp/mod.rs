//! Codes: asked for, sent, joined, tried, approved, and never paid for twice.

mod challenges;
mod support;
