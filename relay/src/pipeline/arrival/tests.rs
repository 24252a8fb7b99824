//! What is live, late, old or doubled, verdict by verdict.

use super::*;

const T: i64 = 1_700_000_000_000_000;

fn row(sent_at: i64, arrived_at: i64) -> Evidence {
    Evidence {
        sent_at,
        arrived_at,
        floor: T - 1000 * HOUR,
        twins: Twins::default(),
        instant: Instant::Shared,
        occasion: Occasion::Ordinary,
    }
}

/// Contact up to `at`, without gaps, the newest live message an hour before.
fn in_touch(at: i64) -> Arrivals {
    Arrivals::new(Some(at - HOUR), Some(at), Vec::new())
}

fn judge_all(arrivals: &mut Arrivals, rows: &[(i64, i64)]) -> Vec<Arrival> {
    arrivals.begin(rows.iter().copied());
    rows.iter()
        .map(|(sent, arrived)| arrivals.judge(&row(*sent, *arrived)))
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
        judge_all(&mut arrivals, &rows)
            .iter()
            .all(|a| *a == Arrival::Live)
    );
}

#[test]
fn rows_that_arrive_before_the_relay_has_reached_the_backend_again_are_live_too() {
    let mut arrivals = in_touch(T);
    let verdicts = judge_all(
        &mut arrivals,
        &[(T + HOUR, T + 72 * HOUR), (T + 60 * HOUR, T + 72 * HOUR)],
    );
    assert_eq!(verdicts, [Arrival::Live, Arrival::Live]);
}

#[test]
fn a_stalled_messages_app_delivers_late_but_live() {
    // The relay was in touch all the time; nothing newer came before these.
    let mut arrivals = Arrivals::new(Some(T), Some(T + 3 * HOUR), Vec::new());
    let rows: Vec<_> = (1..20).map(|i| (T + i * MINUTE, T + 3 * HOUR)).collect();
    assert!(
        judge_all(&mut arrivals, &rows)
            .iter()
            .all(|a| *a == Arrival::Live)
    );
}

#[test]
fn a_sync_of_old_rows_is_backfill_and_never_live() {
    let mut arrivals = in_touch(T);
    let rows: Vec<_> = (0..90).map(|i| (T - 30 * HOUR + i * MINUTE, T)).collect();
    assert!(
        judge_all(&mut arrivals, &rows)
            .iter()
            .all(|a| *a == Arrival::Backfill)
    );
    // Younger ones in a batch as well.
    let mut arrivals = in_touch(T);
    let rows: Vec<_> = (0..5).map(|i| (T - 3 * HOUR + i * MINUTE, T)).collect();
    assert!(
        judge_all(&mut arrivals, &rows)
            .iter()
            .all(|a| *a == Arrival::Backfill)
    );
}

#[test]
fn one_late_row_behind_newer_ones_is_held() {
    let mut arrivals = in_touch(T);
    assert_eq!(
        judge_all(&mut arrivals, &[(T - 2 * HOUR, T)]),
        [Arrival::Doubtful]
    );
}

#[test]
fn a_copy_of_something_delivered_is_dropped_once_per_copy() {
    let told = |dropped| Twins {
        told: 1,
        told_before: 1,
        dropped,
    };
    let mut arrivals = in_touch(T);
    arrivals.begin([(T - 30 * HOUR, T)]);
    let twin = Evidence {
        twins: told(0),
        ..row(T - 30 * HOUR, T)
    };
    assert_eq!(arrivals.judge(&twin), Arrival::Twin);
    assert_eq!(
        arrivals.judge(&Evidence {
            twins: told(1),
            ..twin
        }),
        Arrival::Backfill
    );
    // Somebody who says "ok" twice within a second is not a copy of himself.
    let fresh = Evidence {
        twins: told(0),
        ..row(T - MINUTE, T)
    };
    assert_eq!(arrivals.judge(&fresh), Arrival::Live);
    // The very same instant is.
    let precise = Evidence {
        instant: Instant::Names,
        ..fresh
    };
    assert_eq!(arrivals.judge(&precise), Arrival::Twin);
    assert_eq!(
        arrivals.judge(&Evidence {
            twins: told(1),
            ..precise
        }),
        Arrival::Twin
    );
    let rebuilt = Evidence {
        occasion: Occasion::Rebuilt { began_at: T },
        ..fresh
    };
    assert_eq!(arrivals.judge(&rebuilt), Arrival::Twin);
}

#[test]
fn what_came_with_a_row_is_not_what_it_is_a_copy_of() {
    let together = Twins {
        told: 1,
        told_before: 0,
        dropped: 0,
    };
    let mut arrivals = in_touch(T);
    arrivals.begin([(T - 30 * HOUR, T), (T - 30 * HOUR, T)]);
    let second = Evidence {
        twins: together,
        ..row(T - 30 * HOUR, T)
    };
    assert_eq!(arrivals.judge(&second), Arrival::Backfill);
    let precise = Evidence {
        instant: Instant::Names,
        ..second
    };
    assert_eq!(arrivals.judge(&precise), Arrival::Twin);
}

#[test]
fn a_batch_lasts_as_long_as_late_rows_keep_coming() {
    let began = |arrivals: &Arrivals, at| arrivals.batch_started_at(Occasion::Ordinary, at);
    let mut arrivals = in_touch(T);
    assert_eq!(began(&arrivals, T), T - 10 * MINUTE);
    for n in 0..10 {
        arrivals.begin([(T - 30 * HOUR, T + n * 9 * MINUTE)]);
    }
    assert_eq!(began(&arrivals, T + 81 * MINUTE), T);
    assert_eq!(began(&arrivals, T + 5 * HOUR), T + 5 * HOUR - 10 * MINUTE);
    let rebuilt = Occasion::Rebuilt { began_at: T + HOUR };
    assert_eq!(
        arrivals.batch_started_at(rebuilt, T + 81 * MINUTE),
        T + HOUR
    );
}

#[test]
fn nothing_before_the_beginning_is_forwarded() {
    let mut arrivals = Arrivals::default();
    arrivals.begin([(T - MINUTE, T)]);
    let early = Evidence {
        floor: T,
        ..row(T - MINUTE, T + 1)
    };
    assert_eq!(arrivals.judge(&early), Arrival::Recorded);
}

#[test]
fn a_message_from_the_future_does_not_make_the_rest_old() {
    let mut arrivals = in_touch(T);
    arrivals.accept(T + 5 * 365 * 24 * HOUR, T);
    assert_eq!(
        judge_all(&mut arrivals, &[(T + MINUTE, T + 20 * MINUTE)]),
        [Arrival::Live]
    );
}

#[test]
fn a_clock_that_jumps_years_ahead_and_back_loses_nothing() {
    let mut arrivals = in_touch(T);
    let ahead = T + 5 * 365 * 24 * HOUR;
    assert_eq!(
        judge_all(&mut arrivals, &[(T + MINUTE, ahead)]),
        [Arrival::Live]
    );
    arrivals.contact(ahead);
    arrivals.contact(T + 2 * MINUTE);
    assert_eq!(
        judge_all(&mut arrivals, &[(T + 3 * MINUTE, T + 3 * MINUTE)]),
        [Arrival::Live]
    );
}

#[test]
fn a_gap_explains_only_what_was_sent_in_it_and_only_for_a_while() {
    let mut arrivals = in_touch(T);
    arrivals.contact(T + HOUR);
    arrivals.accept(T + 30 * HOUR, T + 30 * HOUR);
    let verdicts = judge_all(&mut arrivals, &[(T + 30 * MINUTE, T + 30 * HOUR)]);
    assert_eq!(verdicts, [Arrival::Backfill]);
}
