//! Paths of the relay's and the backend's binary.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The relay's and the backend's binary, which cargo built into the folder of this program.
#[derive(Clone, Debug)]
pub struct Binaries {
    folder: PathBuf,
    /// The relay's name in the folder, or its path.
    relay: PathBuf,
}

/// By how much `archety-relay-faster` divides the times of the limits within which the relay sends.
pub const FASTER: u32 = 100;

impl Binaries {
    /// Finds the binaries beside the running program (in `target/debug` or `target/release`). Fails if one is missing
    /// or older than its source.
    pub fn beside_this_program() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program has no path")?;
        // Tests run from `deps/`, binaries from the folder above.
        let folder = program
            .ancestors()
            .skip(1)
            .find(|folder| folder.join("archety-relay").is_file())
            .with_context(|| {
                format!(
                    "no archety-relay near {}; run `cargo build --workspace` first",
                    program.display()
                )
            })?;
        let binaries = Self {
            folder: folder.to_owned(),
            relay: "archety-relay".into(),
        };
        binaries.refuse_stale()?;
        Ok(binaries)
    }

    /// The same binaries, but the relay is `archety-relay-faster`, the same code with the times of its send limits
    /// divided by [`FASTER`]. Only this repository's benches and tests build that program.
    pub fn with_faster_relay(self) -> anyhow::Result<Self> {
        let relay = "archety-relay-faster".into();
        let binaries = Self { relay, ..self };
        binaries.refuse_stale()?;
        Ok(binaries)
    }

    /// The same binaries with the relay of another version, at an absolute path.
    #[must_use]
    pub fn with_relay(self, relay: PathBuf) -> Self {
        Self { relay, ..self }
    }

    /// The path of the relay.
    pub fn relay(&self) -> PathBuf {
        self.folder.join(&self.relay)
    }

    /// The path of `archety-backend`.
    pub fn backend(&self) -> PathBuf {
        self.folder.join("archety-backend")
    }

    /// The path of `messages-stand-in`, which also acts as `osascript`.
    pub fn messages_stand_in(&self) -> PathBuf {
        self.folder.join("messages-stand-in")
    }

    /// Fails if a binary is missing, or older than its source: a test of an old binary proves nothing.
    fn refuse_stale(&self) -> anyhow::Result<()> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for (binary, source) in [(self.relay(), "relay/src"), (self.backend(), "backend/src")] {
            let built = binary
                .metadata()
                .and_then(|metadata| metadata.modified())
                .with_context(|| {
                    format!(
                        "{} is missing; run `cargo build --workspace`",
                        binary.display()
                    )
                })?;
            let source = root.join(source);
            if source.is_dir() && newest_change(&source)?.is_some_and(|changed| changed > built) {
                bail!(
                    "{} is older than its source; run `cargo build --workspace`",
                    binary.display()
                );
            }
        }
        Ok(())
    }
}

/// The time of the last change to a Rust file of a folder, apart from tests.
fn newest_change(folder: &Path) -> anyhow::Result<Option<std::time::SystemTime>> {
    let mut newest = None;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let changed = if entry.file_type()?.is_dir() {
            newest_change(&entry.path())?
        } else if is_rust(&entry.path()) && !is_test(&entry.path()) {
            Some(entry.metadata()?.modified()?)
        } else {
            None
        };
        newest = newest.max(changed);
    }
    Ok(newest)
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

fn is_test(path: &Path) -> bool {
    path.components()
        .any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs")
}
