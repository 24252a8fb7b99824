//! Rebuilds when a migration is added: `sqlx::migrate!` embeds the files but only watches those that
//! it already knows.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
