//! Tells whether the state is still that of the installation that wrote it last.
//!
//! A restored state lacks what was sent since its backup, and a copied one may be in use on another Mac. Both count as
//! a new installation: the backend learns a new id, and what waits in the ledger is not sent.
//!
//! Each durable transaction counts up. After its commit, the count stands in the name of an empty file beside the
//! state, the *marker*: `installation-ID-COUNT`. A state whose count is below that of a marker was restored. The count
//! is in the name because a backup that is copied over the folder overwrites files, but leaves a marker with another
//! name. A relay that dies between the commit and the new name leaves a state that is ahead of its marker, which is no
//! restored one. A power cut may undo the new name, but no durable commit.
//!
//! A backup that takes the place of the folder has other inodes. The copy of a whole disk has the same ones, and is told
//! by the machine.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crash_point::crash_point;
use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::error::inaccessible;
use super::ledger::handed;
use super::{STATE_FILE, State, StateError, files, meta};

const MARKER_PREFIX: &str = "installation-";

/// A file beside the state that names an installation and how many durable transactions it had committed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Marker {
    installation: String,
    count: i64,
}

impl Marker {
    fn name(&self) -> String {
        format!("{MARKER_PREFIX}{}-{}", self.installation, self.count)
    }

    fn parse(name: &str) -> Option<Self> {
        let (installation, count) = name.strip_prefix(MARKER_PREFIX)?.rsplit_once('-')?;
        Some(Self {
            installation: installation.to_owned(),
            count: count.parse().ok()?,
        })
    }

    /// The markers in the state's folder: one, or more if a backup was copied into the folder.
    fn all(dir: &Path) -> io::Result<BTreeSet<Self>> {
        let mut markers = BTreeSet::new();
        for entry in fs::read_dir(dir)? {
            markers.extend(entry?.file_name().to_str().and_then(Self::parse));
        }
        Ok(markers)
    }

    /// Makes this the only marker, on the disk, too.
    fn replace_all(&self, dir: &Path) -> io::Result<()> {
        files::open_private(&dir.join(self.name()))?;
        for other in Self::all(dir)?.iter().filter(|other| *other != self) {
            fs::remove_file(dir.join(other.name()))?;
        }
        File::open(dir)?.sync_all()
    }
}

/// A marker that gets another name once the transaction that counted up is committed.
pub(super) struct Renaming {
    from: Marker,
    count: i64,
}

impl Renaming {
    /// Without the new name, a restored state may be taken for this one. That is no reason to undo the transaction.
    pub(super) fn apply(self, dir: &Path) {
        let from = dir.join(self.from.name());
        let to = Marker {
            count: self.count,
            ..self.from
        };
        if let Err(error) = fs::rename(from, dir.join(to.name())) {
            // A command of the owner may have renamed the file meanwhile.
            tracing::debug!(%error, "the marker of the installation keeps its name");
        }
    }
}

/// Counts a durable transaction, which the caller commits. A restored state does not count up: it must not catch up with
/// its marker.
pub(super) fn count_write(tx: &Connection, dir: &Path) -> rusqlite::Result<Option<Renaming>> {
    let Some(count) = meta::number(tx, meta::DURABLE_WRITES)? else {
        return Ok(None);
    };
    let markers = Marker::all(dir).unwrap_or_default();
    if markers.iter().any(|marker| marker.count > count) {
        return Ok(None);
    }
    let count = count + 1;
    meta::set(tx, meta::DURABLE_WRITES, &count.to_string())?;
    let newest = markers.into_iter().max_by_key(|marker| marker.count);
    Ok(newest.map(|from| Renaming { from, count }))
}

/// What a state says about the installation that wrote it last.
struct Claim {
    id: String,
    /// The inode of the state's file.
    file: Option<String>,
    /// Hash of the machine's id.
    machine: Option<String>,
    /// How many durable transactions were committed; `None` in a state of the release before.
    count: Option<i64>,
}

impl Claim {
    fn load(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let Some(id) = meta::get(connection, meta::INSTANCE_ID)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            id,
            file: meta::get(connection, meta::INSTANCE_FILE)?,
            machine: meta::get(connection, meta::INSTANCE_MACHINE)?,
            count: meta::number(connection, meta::DURABLE_WRITES)?,
        }))
    }

    /// Whether the installation is that of this file, machine and markers. A machine whose id cannot be read counts as
    /// the same one.
    fn holds(&self, file: &str, machine: Option<&str>, markers: &BTreeSet<Marker>) -> bool {
        let has_machine = match (&self.machine, machine) {
            (Some(written), Some(machine)) => written == machine,
            _ => true,
        };
        // A state of the release before has no count, and gets its first marker now.
        let has_marker = self.count.is_none() || !markers.is_empty();
        let count = self.count.unwrap_or(0);
        let is_ahead = markers
            .iter()
            .all(|marker| marker.installation == self.id && marker.count <= count);
        self.file.as_deref() == Some(file) && has_machine && has_marker && is_ahead
    }
}

impl State {
    /// The id of this installation, which is made from `random` for a new one. `machine` identifies the machine, if it
    /// can be read. What waits to be sent in the state of an earlier installation may have been sent by that one.
    pub fn claim_installation(
        &self,
        machine: Option<&str>,
        random: [u8; 16],
    ) -> Result<String, StateError> {
        let path = self.dir.join(STATE_FILE);
        let metadata = fs::metadata(&path).map_err(inaccessible(&path))?;
        let file = metadata.ino().to_string();
        let machine = machine.map(hash_of_machine);
        let markers = Marker::all(&self.dir).map_err(inaccessible(&self.dir))?;
        let claim = self.read(Claim::load)?;
        let has_claim = claim.is_some();
        let kept = claim.filter(|claim| claim.holds(&file, machine.as_deref(), &markers));
        let is_new = kept.is_none();
        let (id, count) = kept.map_or_else(
            || {
                let id = uuid::Builder::from_random_bytes(random).into_uuid();
                (id.to_string(), 0)
            },
            |claim| (claim.id, claim.count.unwrap_or(0)),
        );
        let marker = Marker {
            installation: id.clone(),
            count,
        };
        // Before the commit: a state that has a count without a marker would count as copied.
        marker
            .replace_all(&self.dir)
            .map_err(inaccessible(&self.dir))?;
        crash_point("installation_marked");
        self.write_durably(|tx| {
            meta::set(tx, meta::INSTANCE_ID, &id)?;
            meta::set(tx, meta::INSTANCE_FILE, &file)?;
            if let Some(machine) = &machine {
                meta::set(tx, meta::INSTANCE_MACHINE, machine)?;
            }
            meta::set(tx, meta::DURABLE_WRITES, &count.to_string())?;
            if is_new {
                handed::hand_over_all(tx)?;
            }
            if is_new && has_claim {
                meta::set(tx, meta::COMMANDS_PENDING, "1")?;
            }
            Ok(())
        })?;
        if is_new && has_claim {
            tracing::warn!(
                "the state was restored or copied, so this is a new installation: texts that waited are not sent if \
                 chat.db does not show whether they were; see `archety-relay ledger list`"
            );
        }
        Ok(id)
    }
}

/// The state names the machine by a hash, because its id is personal data.
fn hash_of_machine(id: &str) -> String {
    let hash = Sha256::new_with_prefix("archety.machine.v1").chain_update(id);
    hex::encode(&hash.finalize()[..16])
}

#[cfg(test)]
mod tests;
