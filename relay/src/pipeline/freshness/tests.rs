//! The freshness of live, late, old and copied rows.

use super::*;

const T: i64 = 1_700_000_000_000_000;

fn row(sent_at: i64, arrived_at: i64) -> ArrivedRow {
    ArrivedRow {
        sent_at,
        arrived_at,
        floor: T - 1000 * HOUR,
        copies: CopyCounts::default(),
        timestamp: TimestampProof::Ambiguous,
        cause: ReadCause::Appeared,
    }
}

/// The network was proven up to `at` without offline periods, and the newest live message came an hour
/// before.
fn in_touch(at: i64) -> ArrivalHistory {
    ArrivalHistory::new(Some(at - HOUR), Some(at), Vec::new())
}

fn classify_all(arrivals: &mut ArrivalHistory, rows: &[(i64, i64)]) -> Vec<Freshness> {
    arrivals.count_late(rows.iter().copied());
    rows.iter()
        .map(|(sent, arrived)| arrivals.classify(&row(*sent, *arrived)))
        .collect()
}

#[test]
fn six_hours_offline_are_late_live_messages() {
    let mut arrivals = in_touch(T);
    assert!(arrivals.contact(T + 6 * HOUR).is_some());
    let rows: Vec<_> = (0..30)
        .map(|i| (T + i * 12 * MINUTE, T + 6 * HOUR + MINUTE))
        .collect();
    assert!(
        classify_all(&mut arrivals, &rows)
            .iter()
            .all(|a| *a == Freshness::Live)
    );
}

#[test]
fn rows_that_arrive_before_the_first_contact_with_the_backend_are_live() {
    let mut arrivals = in_touch(T);
    let freshness = classify_all(
        &mut arrivals,
        &[(T + HOUR, T + 72 * HOUR), (T + 60 * HOUR, T + 72 * HOUR)],
    );
    assert_eq!(freshness, [Freshness::Live, Freshness::Live]);
}

#[test]
fn rows_delayed_by_a_stalled_messages_app_are_live() {
    // The network was proven all the time, and no newer message came before these.
    let mut arrivals = ArrivalHistory::new(Some(T), Some(T + 3 * HOUR), Vec::new());
    let rows: Vec<_> = (1..20).map(|i| (T + i * MINUTE, T + 3 * HOUR)).collect();
    assert!(
        classify_all(&mut arrivals, &rows)
            .iter()
            .all(|a| *a == Freshness::Live)
    );
}

#[test]
fn a_sync_of_old_rows_is_backfill_and_never_live() {
    let mut arrivals = in_touch(T);
    let rows: Vec<_> = (0..90).map(|i| (T - 30 * HOUR + i * MINUTE, T)).collect();
    assert!(
        classify_all(&mut arrivals, &rows)
            .iter()
            .all(|a| *a == Freshness::Backfill)
    );
    // Younger rows of a batch are backfill as well.
    let mut arrivals = in_touch(T);
    let rows: Vec<_> = (0..5).map(|i| (T - 3 * HOUR + i * MINUTE, T)).collect();
    assert!(
        classify_all(&mut arrivals, &rows)
            .iter()
            .all(|a| *a == Freshness::Backfill)
    );
}

#[test]
fn one_late_row_behind_newer_ones_is_held() {
    let mut arrivals = in_touch(T);
    assert_eq!(
        classify_all(&mut arrivals, &[(T - 2 * HOUR, T)]),
        [Freshness::Doubtful]
    );
}

#[test]
fn each_copy_of_a_delivered_message_is_dropped_once() {
    let posts = |dropped| CopyCounts {
        originals: 1,
        originals_before: 1,
        dropped,
    };
    let mut arrivals = in_touch(T);
    arrivals.count_late([(T - 30 * HOUR, T)]);
    let twin = ArrivedRow {
        copies: posts(0),
        ..row(T - 30 * HOUR, T)
    };
    assert_eq!(arrivals.classify(&twin), Freshness::Twin);
    assert_eq!(
        arrivals.classify(&ArrivedRow {
            copies: posts(1),
            ..twin
        }),
        Freshness::Backfill
    );
    // A person may say "ok" twice within a second; the second row is no copy of the first.
    let fresh = ArrivedRow {
        copies: posts(0),
        ..row(T - MINUTE, T)
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
            copies: posts(1),
            ..precise
        }),
        Freshness::Twin
    );
    let rebuilt = ArrivedRow {
        cause: ReadCause::Rebuilt { began_at: T },
        ..fresh
    };
    assert_eq!(arrivals.classify(&rebuilt), Freshness::Twin);
}

#[test]
fn a_row_is_not_a_copy_of_a_row_of_the_same_batch() {
    let together = CopyCounts {
        originals: 1,
        originals_before: 0,
        dropped: 0,
    };
    let mut arrivals = in_touch(T);
    arrivals.count_late([(T - 30 * HOUR, T), (T - 30 * HOUR, T)]);
    let second = ArrivedRow {
        copies: together,
        ..row(T - 30 * HOUR, T)
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
    let began = |arrivals: &ArrivalHistory, at| arrivals.batch_started_at(ReadCause::Appeared, at);
    let mut arrivals = in_touch(T);
    assert_eq!(began(&arrivals, T), T - 10 * MINUTE);
    for n in 0..10 {
        arrivals.count_late([(T - 30 * HOUR, T + n * 9 * MINUTE)]);
    }
    assert_eq!(began(&arrivals, T + 81 * MINUTE), T);
    assert_eq!(began(&arrivals, T + 5 * HOUR), T + 5 * HOUR - 10 * MINUTE);
    let rebuilt = ReadCause::Rebuilt { began_at: T + HOUR };
    assert_eq!(
        arrivals.batch_started_at(rebuilt, T + 81 * MINUTE),
        T + HOUR
    );
}

#[test]
fn no_row_from_before_the_first_run_is_posted() {
    let mut arrivals = ArrivalHistory::default();
    arrivals.count_late([(T - MINUTE, T)]);
    let early = ArrivedRow {
        floor: T,
        ..row(T - MINUTE, T + 1)
    };
    assert_eq!(arrivals.classify(&early), Freshness::Recorded);
}

#[test]
fn a_message_dated_in_the_future_makes_no_other_message_old() {
    let mut arrivals = in_touch(T);
    arrivals.note_live(T + 5 * 365 * 24 * HOUR, T);
    assert_eq!(
        classify_all(&mut arrivals, &[(T + MINUTE, T + 20 * MINUTE)]),
        [Freshness::Live]
    );
}

#[test]
fn a_clock_that_jumps_years_ahead_and_back_loses_no_message() {
    let mut arrivals = in_touch(T);
    let ahead = T + 5 * 365 * 24 * HOUR;
    assert_eq!(
        classify_all(&mut arrivals, &[(T + MINUTE, ahead)]),
        [Freshness::Live]
    );
    arrivals.contact(ahead);
    arrivals.contact(T + 2 * MINUTE);
    assert_eq!(
        classify_all(&mut arrivals, &[(T + 3 * MINUTE, T + 3 * MINUTE)]),
        [Freshness::Live]
    );
}

#[test]
fn a_gap_explains_only_rows_sent_during_the_gap_and_only_for_a_while() {
    let mut arrivals = in_touch(T);
    arrivals.contact(T + HOUR);
    arrivals.note_live(T + 30 * HOUR, T + 30 * HOUR);
    let freshness = classify_all(&mut arrivals, &[(T + 30 * MINUTE, T + 30 * HOUR)]);
    assert_eq!(freshness, [Freshness::Backfill]);
}
