//! The decoder against archives that Macs wrote, archives written here, and damage to both.

mod archiver;
mod archives;
mod damage;
mod properties;
mod recorded;
