mod conformance;
mod conversations;
mod draft;
mod full_disk;
mod races;
mod schema;
mod statements;
