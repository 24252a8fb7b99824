mod conformance;
mod conversations;
mod draft;
mod races;
mod schema;
mod statements;
