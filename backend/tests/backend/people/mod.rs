//! The data of people on both databases: read access, reassignment of numbers, retention, export and deletion.

mod cleaned_tables;
mod deletion;
mod everything;
mod export;
mod handles;
mod history;
mod history_meanwhile;
mod intake;
mod mentions;
mod messages;
mod number_reassignment;
mod profile;
mod readable_messages;
mod retention;
mod rows;
mod traits;
