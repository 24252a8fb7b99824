//! A person's own data, on both databases: who sees what, whose a number is, what deletion leaves.

mod cleaned_tables;
mod conversations_of_two;
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
mod retention;
mod rows;
mod traits;
