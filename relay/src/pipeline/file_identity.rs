//! Recognises whether the open chat.db is the file to whose rows the cursor refers.
//!
//! A restore, a rebuild or a migration puts another database at the same path, with ROWIDs that begin again.
//! With the old cursor the relay would read none of its new rows for years. The file is recognised by the
//! guids of a few rows, the anchors, and by the highest ROWID ever given, which no deletion lowers. Device
//! and inode prove nothing: they change with every copy and can stay the same across a rebuild.

use crate::state::read_position::Anchor;

/// How many anchors are kept.
const ANCHORS: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileIdentity {
    /// The file to whose rows the cursor refers.
    Same,
    /// Another database.
    Replaced,
}

/// Compares the file with its anchors. `anchors` has for each anchor the guid that the file has at that
/// ROWID now, if any. The sequences are the highest ROWIDs ever given.
pub(super) fn identify(
    recorded_sequence: i64,
    sequence: i64,
    anchors: &[(Anchor, Option<String>)],
) -> FileIdentity {
    // A row that is gone proves nothing, since its owner may have deleted it. A row with another guid
    // proves another file.
    let differs = |(anchor, found): &(Anchor, Option<String>)| {
        found.as_ref().is_some_and(|guid| *guid != anchor.guid)
    };
    // If every anchor is gone, the file counts as replaced: that costs no message and posts none twice,
    // while a wrong cursor would do both.
    let is_unknown = !anchors.is_empty() && anchors.iter().all(|(_, found)| found.is_none());
    if sequence < recorded_sequence || anchors.iter().any(differs) || is_unknown {
        FileIdentity::Replaced
    } else {
        FileIdentity::Same
    }
}

/// Adds a row to the anchors, newest first. If there are too many, those that are kept reach from the newest to
/// the oldest row, and are closest together near the newest.
pub(super) fn with_anchor(mut anchors: Vec<Anchor>, newest: Anchor) -> Vec<Anchor> {
    anchors.retain(|anchor| anchor.rowid < newest.rowid);
    anchors.insert(0, newest);
    while anchors.len() > ANCHORS {
        // Removes the anchor whose neighbours are closest together for their age.
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
    fn a_file_with_deleted_rows_or_without_anchors_is_the_same() {
        let anchors = [found(9, "I", None), found(5, "E", Some("E"))];
        assert_eq!(identify(9, 9, &anchors), FileIdentity::Same);
        assert_eq!(identify(0, 0, &[]), FileIdentity::Same);
    }

    #[test]
    fn a_file_with_another_guid_a_lower_sequence_or_no_anchor_left_is_replaced() {
        let other = [found(9, "I", Some("I")), found(5, "E", Some("X"))];
        assert_eq!(identify(9, 20, &other), FileIdentity::Replaced);
        assert_eq!(
            identify(9, 8, &[found(5, "E", Some("E"))]),
            FileIdentity::Replaced
        );
        assert_eq!(
            identify(9, 20, &[found(9, "I", None)]),
            FileIdentity::Replaced
        );
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
