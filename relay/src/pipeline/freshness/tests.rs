//! The freshness of live, late, old and copied rows.

use super::*;

const NOW: i64 = 1_700_000_000_000_000;

fn row(sent_at: i64, arrived_at: i64) -> ArrivedRow {
    ArrivedRow {
        sent_at,
        arrived_at,
        floor: NOW - 1000 * HOUR,
        copies: CopyCounts::default(),
        timestamp: TimestampProof::Ambiguous,
        cause: ReadCause::Appeared,
    }
}

/// A history in which the network was proven until `at` without offline periods, and the newest live
/// message came an hour before.
fn proven_until(at: i64) -> ArrivalHistory {
    ArrivalHistory::new(Some(at - HOUR), Some(at), Vec::new())
}

fn classify_all(arrivals: &mut ArrivalHistory, rows: &[(i64, i64)]) -> Vec<Freshness> {
    arrivals.count_late(rows.iter().copied());
    rows.iter()
        .map(|(sent, arrived)| arrivals.classify(&row(*sent, *arrived)))
        .collect()
}

#[test]
fn late_messages_of_a_six_hour_offline_period_are_live() {
    let mut arrivals = proven_until(NOW);
    assert!(arrivals.note_contact(NOW + 6 * HOUR).is_some());
    let rows: Vec<_> = (0..30)
        .map(|i| (NOW + i * 12 * MINUTE, NOW + 6 * HOUR + MINUTE))
        .collect();
    assert!(
        classify_all(&mut arrivals, &rows)
            .iter()
            .all(|a| *a == Freshness::Live)
    );
}

#[test]
fn rows_sent_since_the_last_network_proof_are_live_before_the_next_proof() {
    let mut arrivals = proven_until(NOW);
    let freshness = classify_all(
        &mut arrivals,
        &[
            (NOW + HOUR, NOW + 72 * HOUR),
            (NOW + 60 * HOUR, NOW + 72 * HOUR),
        ],
    );
    assert_eq!(freshness, [Freshness::Live, Freshness::Live]);
}

#[test]
fn rows_delayed_by_a_stalled_messages_app_are_live() {
    // The network was proven all the time, and no newer message came before these.
    let mut arrivals = ArrivalHistory::new(Some(NOW), Some(NOW + 3 * HOUR), Vec::new());
    let rows: Vec<_> = (1..20)
        .map(|i| (NOW + i * MINUTE, NOW + 3 * HOUR))
        .collect();
    assert!(
        classify_all(&mut arrivals, &rows)
            .iter()
            .all(|a| *a == Freshness::Live)
    );
}

#[test]
fn all_rows_of_a_sync_are_backfill() {
    let mut arrivals = proven_until(NOW);
    let rows: Vec<_> = (0..90)
        .map(|i| (NOW - 30 * HOUR + i * MINUTE, NOW))
        .collect();
    assert!(
        classify_all(&mut arrivals, &rows)
            .iter()
            .all(|a| *a == Freshness::Backfill)
    );
    // Younger rows of a batch are backfill as well.
    let mut arrivals = proven_until(NOW);
    let rows: Vec<_> = (0..5).map(|i| (NOW - 3 * HOUR + i * MINUTE, NOW)).collect();
    assert!(
        classify_all(&mut arrivals, &rows)
            .iter()
            .all(|a| *a == Freshness::Backfill)
    );
}

#[test]
fn a_single_late_row_older_than_the_newest_live_message_is_doubtful() {
    let mut arrivals = proven_until(NOW);
    assert_eq!(
        classify_all(&mut arrivals, &[(NOW - 2 * HOUR, NOW)]),
        [Freshness::Doubtful]
    );
}

#[test]
fn an_ambiguous_late_row_is_a_copy_once_per_original_and_a_unique_row_every_time() {
    let one_original = |dropped| CopyCounts {
        originals: 1,
        originals_before: 1,
        dropped,
    };
    let mut arrivals = proven_until(NOW);
    arrivals.count_late([(NOW - 30 * HOUR, NOW)]);
    let late = ArrivedRow {
        copies: one_original(0),
        ..row(NOW - 30 * HOUR, NOW)
    };
    assert_eq!(arrivals.classify(&late), Freshness::Twin);
    assert_eq!(
        arrivals.classify(&ArrivedRow {
            copies: one_original(1),
            ..late
        }),
        Freshness::Backfill
    );
    // A person may say "ok" twice within a second; the second row is no copy of the first.
    let fresh = ArrivedRow {
        copies: one_original(0),
        ..row(NOW - MINUTE, NOW)
    };
    assert_eq!(arrivals.classify(&fresh), Freshness::Live);
    // A row with the same microsecond is a copy.
    let precise = ArrivedRow {
        timestamp: TimestampProof::Unique,
        ..fresh
    };
    assert_eq!(arrivals.classify(&precise), Freshness::Twin);
    assert_eq!(
        arrivals.classify(&ArrivedRow {
            copies: one_original(1),
            ..precise
        }),
        Freshness::Twin
    );
    let rebuilt = ArrivedRow {
        cause: ReadCause::Rebuilt { began_at: NOW },
        ..fresh
    };
    assert_eq!(arrivals.classify(&rebuilt), Freshness::Twin);
}

#[test]
fn an_ambiguous_row_is_not_a_copy_of_a_row_of_its_batch_but_a_unique_row_is() {
    let of_the_batch = CopyCounts {
        originals: 1,
        originals_before: 0,
        dropped: 0,
    };
    let mut arrivals = proven_until(NOW);
    arrivals.count_late([(NOW - 30 * HOUR, NOW), (NOW - 30 * HOUR, NOW)]);
    let second = ArrivedRow {
        copies: of_the_batch,
        ..row(NOW - 30 * HOUR, NOW)
    };
    assert_eq!(arrivals.classify(&second), Freshness::Backfill);
    let precise = ArrivedRow {
        timestamp: TimestampProof::Unique,
        ..second
    };
    assert_eq!(arrivals.classify(&precise), Freshness::Twin);
}

#[test]
fn a_batch_lasts_as_long_as_late_rows_keep_coming() {
    let batch_start =
        |arrivals: &ArrivalHistory, at| arrivals.batch_started_at(ReadCause::Appeared, at);
    let mut arrivals = proven_until(NOW);
    assert_eq!(batch_start(&arrivals, NOW), NOW - 10 * MINUTE);
    for n in 0..10 {
        arrivals.count_late([(NOW - 30 * HOUR, NOW + n * 9 * MINUTE)]);
    }
    assert_eq!(batch_start(&arrivals, NOW + 81 * MINUTE), NOW);
    assert_eq!(
        batch_start(&arrivals, NOW + 5 * HOUR),
        NOW + 5 * HOUR - 10 * MINUTE
    );
    let rebuilt = ReadCause::Rebuilt {
        began_at: NOW + HOUR,
    };
    assert_eq!(
        arrivals.batch_started_at(rebuilt, NOW + 81 * MINUTE),
        NOW + HOUR
    );
}

#[test]
fn a_row_sent_before_the_floor_is_recorded() {
    let mut arrivals = ArrivalHistory::default();
    arrivals.count_late([(NOW - MINUTE, NOW)]);
    let early = ArrivedRow {
        floor: NOW,
        ..row(NOW - MINUTE, NOW + 1)
    };
    assert_eq!(arrivals.classify(&early), Freshness::Recorded);
}

#[test]
fn a_live_message_dated_in_the_future_leaves_a_late_row_live() {
    let mut arrivals = proven_until(NOW);
    arrivals.note_live(NOW + 5 * 365 * 24 * HOUR, NOW);
    assert_eq!(
        classify_all(&mut arrivals, &[(NOW + MINUTE, NOW + 20 * MINUTE)]),
        [Freshness::Live]
    );
}

#[test]
fn rows_are_live_while_a_clock_is_years_ahead_and_after_it_is_set_back() {
    let mut arrivals = proven_until(NOW);
    let ahead = NOW + 5 * 365 * 24 * HOUR;
    assert_eq!(
        classify_all(&mut arrivals, &[(NOW + MINUTE, ahead)]),
        [Freshness::Live]
    );
    arrivals.note_contact(ahead);
    arrivals.note_contact(NOW + 2 * MINUTE);
    assert_eq!(
        classify_all(&mut arrivals, &[(NOW + 3 * MINUTE, NOW + 3 * MINUTE)]),
        [Freshness::Live]
    );
}

#[test]
fn a_row_sent_in_an_offline_period_and_read_a_day_later_is_backfill() {
    let mut arrivals = proven_until(NOW);
    arrivals.note_contact(NOW + HOUR);
    arrivals.note_live(NOW + 30 * HOUR, NOW + 30 * HOUR);
    let freshness = classify_all(&mut arrivals, &[(NOW + 30 * MINUTE, NOW + 30 * HOUR)]);
    assert_eq!(freshness, [Freshness::Backfill]);
}
