//! What no recording shows: the gateway, the faults, the races, and the handles that a test holds.

mod client;
mod faults;
mod gateway;
mod people;
mod rules;
