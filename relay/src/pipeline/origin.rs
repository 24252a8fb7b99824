//! Whether chat.db is still the file that the cursor counts.
//!
//! A restore, a rebuild or a migration puts another database at the same path, with ROWIDs that begin
//! again; a cursor carried over would then stay silent for years. The file is known by the guids of a
//! few rows and by the highest ROWID ever given, which no deletion lowers. Device and inode don't
//! serve: they change with every copy and can stay the same across a rebuild.

use crate::state::source::Anchor;

/// Rows by which a file is known.
const ANCHORS: usize = 12;

/// Verdict on the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The cursor is good.
    Same,
    /// Another database.
    Replaced,
}

/// Compares the file with its anchors. `found` holds for each anchor the guid that the file has at its
/// ROWID now, if any.
pub(super) fn origin(
    recorded_sequence: i64,
    sequence: i64,
    anchors: &[(Anchor, Option<String>)],
) -> Origin {
    if sequence < recorded_sequence {
        return Origin::Replaced;
    }
    // A row that is gone proves nothing, its owner may have deleted it; one with another guid does.
    if anchors
        .iter()
        .any(|(anchor, found)| found.as_ref().is_some_and(|guid| *guid != anchor.guid))
    {
        return Origin::Replaced;
    }
    let known = anchors.iter().any(|(_, found)| found.is_some());
    // With every anchor gone doubt remains; a replaced file is handled without loss or doubles, a
    // wrong cursor is not.
    if known || anchors.is_empty() {
        Origin::Same
    } else {
        Origin::Replaced
    }
}

/// Adds a row to the anchors, newest first, keeping a few close ones and a few far ones.
pub(super) fn with_anchor(mut anchors: Vec<Anchor>, newest: Anchor) -> Vec<Anchor> {
    anchors.retain(|anchor| anchor.rowid < newest.rowid);
    anchors.insert(0, newest);
    while anchors.len() > ANCHORS {
        // The pair that lies closest together, measured against its age, says the same thing twice.
        let top = anchors[0].rowid;
        let crowded = (1..anchors.len() - 1)
            .min_by_key(|&i| {
                let gap = anchors[i - 1].rowid - anchors[i + 1].rowid;
                let age = (top - anchors[i].rowid).max(1);
                gap.saturating_mul(1000) / age
            })
            .unwrap_or(1);
        anchors.remove(crowded);
    }
    anchors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor(rowid: i64, guid: &str) -> Anchor {
        Anchor {
            rowid,
            guid: guid.to_owned(),
        }
    }

    fn found(rowid: i64, guid: &str, now: Option<&str>) -> (Anchor, Option<String>) {
        (anchor(rowid, guid), now.map(str::to_owned))
    }

    #[test]
    fn deletions_do_not_make_a_file_another() {
        let anchors = [found(9, "I", None), found(5, "E", Some("E"))];
        assert_eq!(origin(9, 9, &anchors), Origin::Same);
        assert_eq!(origin(0, 0, &[]), Origin::Same);
    }

    #[test]
    fn another_guid_a_lower_sequence_or_no_trace_at_all_do() {
        let other = [found(9, "I", Some("I")), found(5, "E", Some("X"))];
        assert_eq!(origin(9, 20, &other), Origin::Replaced);
        assert_eq!(origin(9, 8, &[found(5, "E", Some("E"))]), Origin::Replaced);
        assert_eq!(origin(9, 20, &[found(9, "I", None)]), Origin::Replaced);
    }

    #[test]
    fn anchors_stay_few_and_reach_far_back() {
        let mut anchors = Vec::new();
        for rowid in 1..=100_000 {
            anchors = with_anchor(anchors, anchor(rowid, "g"));
        }
        assert_eq!(anchors.len(), ANCHORS);
        assert_eq!(anchors[0].rowid, 100_000);
        assert_eq!(
            anchors.last().map(|a| a.rowid),
            Some(1),
            "the oldest is kept"
        );
        assert!(
            anchors.iter().filter(|a| a.rowid < 90_000).count() >= 2,
            "{anchors:?}"
        );
        assert!(anchors.is_sorted_by(|a, b| a.rowid > b.rowid));
    }
}
