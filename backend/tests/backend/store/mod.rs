//! The store on both databases.

mod conformance;
mod conversations;
pub(crate) mod draft;
mod full_disk;
mod lines;
mod older_rows;
mod races;
mod schema;
mod sqlite_file;
mod statements;
