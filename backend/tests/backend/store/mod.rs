//! The store on both databases.

mod conformance;
mod conversations;
mod full_disk;
mod lines;
pub(crate) mod message_builder;
mod older_rows;
mod races;
mod schema;
mod sqlite_file;
mod statements;
