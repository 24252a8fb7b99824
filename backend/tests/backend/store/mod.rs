//! The store on both databases.

mod conformance;
mod conversations;
mod draft;
mod full_disk;
mod races;
mod schema;
mod statements;
