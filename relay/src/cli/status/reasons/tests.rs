//! Every way in which a relay is well or not, as time passes and as clocks are set.

use super::*;

const NOW: UnixMicros = UnixMicros::from_secs(1_790_000_000);

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A relay that has run for an hour and wrote its signs of life `silence` before now.
fn running(silence: u64) -> Known {
    Known {
        running: true,
        vitals: Some(Vitals {
            written_at: NOW.minus(secs(silence)).as_micros(),
            up_secs: 3600,
            scan_secs_ago: Some(4),
            pull_secs_ago: Some(20),
            pulls: true,
        }),
        free_disk_bytes: Some(1 << 30),
        ..Known::default()
    }
}

/// The same with other signs of life.
fn with(mut known: Known, change: impl FnOnce(&mut Vitals)) -> Known {
    change(known.vitals.as_mut().expect("there are some"));
    known
}

fn codes_at(known: &Known, now: UnixMicros) -> Vec<String> {
    let reasons = known.reasons(now);
    for reason in &reasons {
        assert!(!reason.text.is_empty());
    }
    reasons.into_iter().map(|reason| reason.code).collect()
}

fn codes(known: &Known) -> Vec<String> {
    codes_at(known, NOW)
}

fn troubled(code: &str) -> Standstill {
    Standstill {
        trouble: Some(code.to_owned()),
        text: Some("in words".to_owned()),
        since: None,
    }
}

#[test]
fn a_relay_that_does_what_it_promises_is_well() {
    for silence in [0, 20, 60] {
        assert!(codes(&running(silence)).is_empty(), "{silence}");
    }
    let bearer = with(running(0), |vitals| {
        vitals.pulls = false;
        vitals.pull_secs_ago = None;
    });
    assert!(codes(&bearer).is_empty(), "it has no pull to miss");
}

#[test]
fn one_that_fell_silent_is_not_whatever_troubled_it_before() {
    assert_eq!(codes(&running(150)), ["scan_overdue", "pull_overdue"]);
    assert_eq!(codes(&running(100)), ["scan_overdue", "pull_overdue"]);
    let mut known = running(150);
    known.reading_trouble = Some("chat_db_missing".to_owned());
    known.pull = troubled("unreachable");
    known.delivery = troubled("unreachable");
    assert_eq!(
        codes(&known),
        [
            "chat_db_missing",
            "unreachable",
            "scan_overdue",
            "pull_overdue"
        ]
    );
    let text = |known: &Known| known.reasons(NOW).pop().expect("one").text;
    assert!(text(&known).contains("cannot write its state (1024 MiB are free on its disk)"));
    known.free_disk_bytes = Some(0);
    assert_eq!(codes(&known)[0], "state_disk_full");
}

#[test]
fn one_of_two_parts_can_hang() {
    let reader = with(running(0), |vitals| vitals.scan_secs_ago = Some(91));
    assert_eq!(codes(&reader), ["scan_overdue"]);
    let puller = with(running(0), |vitals| vitals.pull_secs_ago = Some(111));
    assert_eq!(codes(&puller), ["pull_overdue"]);
    let slow = with(running(0), |vitals| {
        vitals.scan_secs_ago = Some(90);
        vitals.pull_secs_ago = Some(110);
    });
    assert!(codes(&slow).is_empty(), "as long as it may take");
}

#[test]
fn what_is_told_explains_what_is_missing() {
    let mut known = with(running(0), |vitals| {
        vitals.scan_secs_ago = Some(400);
        vitals.pull_secs_ago = Some(400);
    });
    known.reading_trouble = Some("chat_db_missing".to_owned());
    known.pull = troubled("unreachable");
    assert_eq!(codes(&known), ["chat_db_missing", "unreachable"]);
}

#[test]
fn a_relay_has_a_minute_to_begin() {
    let young = |up_secs| {
        with(running(0), |vitals| {
            vitals.up_secs = up_secs;
            vitals.scan_secs_ago = None;
            vitals.pull_secs_ago = None;
        })
    };
    assert!(codes(&young(0)).is_empty() && young(0).is_starting(NOW));
    assert!(codes(&young(59)).is_empty());
    assert!(!young(60).is_starting(NOW));
    assert_eq!(codes(&young(60)), ["scan_overdue", "pull_overdue"]);
    // It was stopped right after its start: the minute passes all the same.
    let mut stopped = young(0);
    stopped = with(stopped, |vitals| {
        vitals.written_at = NOW.minus(secs(120)).as_micros();
    });
    assert_eq!(codes(&stopped), ["scan_overdue", "pull_overdue"]);
    // A trouble needs no minute.
    let mut troubled_one = young(5);
    troubled_one.pull = troubled("unreachable");
    assert_eq!(codes(&troubled_one), ["unreachable"]);
}

#[test]
fn a_new_relay_waits_for_the_backend() {
    let mut known = with(running(0), |vitals| {
        vitals.scan_secs_ago = None;
        vitals.pull_secs_ago = None;
    });
    known.waits_for_backend = true;
    assert_eq!(codes(&known), ["backend_not_heard", "pull_overdue"]);
    known.pull = troubled("unreachable");
    assert_eq!(codes(&known), ["unreachable"]);
}

#[test]
fn a_clock_that_is_set_back_hides_no_silent_relay() {
    // Silent for 150 s, then the clock was set back by an hour.
    let known = running(150);
    let set_back = NOW.minus(Duration::from_hours(1));
    assert_eq!(codes_at(&known, set_back), ["time_in_future"]);
    assert!(
        known.reasons(set_back)[0].may_pass,
        "the relay may be about to write"
    );
    // Within what two readings differ by.
    assert!(codes_at(&running(0), NOW.minus(secs(4))).is_empty());
}

#[test]
fn a_clock_that_is_set_ahead_looks_like_silence_until_the_relay_writes() {
    let reasons = running(10).reasons(NOW.plus(Duration::from_hours(1)));
    assert!(!reasons.is_empty() && reasons.iter().all(|reason| reason.may_pass));
    // It writes within seconds; its ages do not follow the clock.
    let known = with(running(0), |vitals| {
        vitals.written_at = NOW.plus(Duration::from_hours(1)).as_micros();
    });
    assert!(codes_at(&known, NOW.plus(Duration::from_hours(1))).is_empty());
}

#[test]
fn a_relay_that_does_not_run_is_not_running_and_nothing_else() {
    let mut known = running(1_000_000);
    known.running = false;
    known.delivery = troubled("unreachable");
    assert_eq!(codes(&known), ["not_running"]);
    assert!(!known.is_starting(NOW));
}

#[test]
fn an_older_relay_that_tells_nothing_is_not_taken_for_a_well_one() {
    let mut known = running(0);
    known.vitals = None;
    assert_eq!(codes(&known), ["no_vitals"]);
}
