//! When a relay is well and when it is not, as time passes and as clocks are set.

use super::*;

const NOW: UnixMicros = UnixMicros::from_secs(1_790_000_000);

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// A relay that has run for an hour and wrote its liveness record `silence` seconds ago.
fn running(silence: u64) -> RelayFacts {
    RelayFacts {
        running: true,
        liveness: Some(Liveness {
            written_at: NOW.minus(secs(silence)).as_micros(),
            up_secs: 3600,
            scan_secs_ago: Some(4),
            pull_secs_ago: Some(20),
            pulls: true,
        }),
        free_disk_bytes: Some(1 << 30),
        ..RelayFacts::default()
    }
}

/// The same facts with a changed liveness record.
fn with(mut facts: RelayFacts, change: impl FnOnce(&mut Liveness)) -> RelayFacts {
    change(facts.liveness.as_mut().expect("a record"));
    facts
}

/// The codes of the reasons why the relay is not well at `now`.
fn codes_at(facts: &RelayFacts, now: UnixMicros) -> Vec<String> {
    let reasons = facts.reasons(now);
    for reason in &reasons {
        assert!(!reason.text.is_empty());
    }
    reasons.into_iter().map(|reason| reason.code).collect()
}

fn codes(facts: &RelayFacts) -> Vec<String> {
    codes_at(facts, NOW)
}

/// A trouble as the relay reports it.
fn reported(code: &str) -> TroubleStatus {
    TroubleStatus {
        trouble: Some(code.to_owned()),
        text: Some("in words".to_owned()),
        since: None,
    }
}

#[test]
fn a_relay_that_reads_and_is_answered_in_time_is_well() {
    for silence in [0, 20, 60] {
        assert!(codes(&running(silence)).is_empty(), "{silence}");
    }
    let bearer = with(running(0), |liveness| {
        liveness.pulls = false;
        liveness.pull_secs_ago = None;
    });
    assert!(codes(&bearer).is_empty(), "a bearer relay does not pull");
}

#[test]
fn a_silent_relay_is_not_well_even_if_a_trouble_was_reported_before() {
    assert_eq!(codes(&running(150)), ["scan_overdue", "pull_overdue"]);
    assert_eq!(codes(&running(100)), ["scan_overdue", "pull_overdue"]);
    let mut facts = running(150);
    facts.reading_trouble = Some("chat_db_missing".to_owned());
    facts.pull = reported("unreachable");
    facts.delivery = reported("unreachable");
    assert_eq!(
        codes(&facts),
        [
            "chat_db_missing",
            "unreachable",
            "scan_overdue",
            "pull_overdue"
        ]
    );
    let text = |facts: &RelayFacts| facts.reasons(NOW).pop().expect("a reason").text;
    assert!(text(&facts).contains("cannot write its state (1024 MiB are free on its disk)"));
    facts.free_disk_bytes = Some(0);
    assert_eq!(codes(&facts)[0], "state_disk_full");
}

#[test]
fn a_hanging_reader_or_pull_is_noticed() {
    let reader = with(running(0), |liveness| {
        liveness.scan_secs_ago = Some(SCAN_OVERDUE.as_secs() + 1);
    });
    assert_eq!(codes(&reader), ["scan_overdue"]);
    let puller = with(running(0), |liveness| {
        liveness.pull_secs_ago = Some(ANSWER_OVERDUE.as_secs() + 1);
    });
    assert_eq!(codes(&puller), ["pull_overdue"]);
    let slow = with(running(0), |liveness| {
        liveness.scan_secs_ago = Some(SCAN_OVERDUE.as_secs());
        liveness.pull_secs_ago = Some(ANSWER_OVERDUE.as_secs());
    });
    assert!(codes(&slow).is_empty(), "exactly the longest accepted time");
}

#[test]
fn a_reported_trouble_explains_what_is_overdue() {
    let mut facts = with(running(0), |liveness| {
        liveness.scan_secs_ago = Some(400);
        liveness.pull_secs_ago = Some(400);
    });
    facts.reading_trouble = Some("chat_db_missing".to_owned());
    facts.pull = reported("unreachable");
    assert_eq!(codes(&facts), ["chat_db_missing", "unreachable"]);
}

#[test]
fn a_relay_has_a_minute_to_start() {
    let young = |up_secs| {
        with(running(0), |liveness| {
            liveness.up_secs = up_secs;
            liveness.scan_secs_ago = None;
            liveness.pull_secs_ago = None;
        })
    };
    assert!(codes(&young(0)).is_empty() && young(0).is_starting(NOW));
    assert!(codes(&young(59)).is_empty());
    assert!(!young(60).is_starting(NOW));
    assert_eq!(codes(&young(60)), ["scan_overdue", "pull_overdue"]);
    // The minute also passes for a relay that was stopped right after its start.
    let mut stopped = young(0);
    stopped = with(stopped, |liveness| {
        liveness.written_at = NOW.minus(secs(120)).as_micros();
    });
    assert_eq!(codes(&stopped), ["scan_overdue", "pull_overdue"]);
    // A reported trouble counts within the minute.
    let mut with_trouble = young(5);
    with_trouble.pull = reported("unreachable");
    assert_eq!(codes(&with_trouble), ["unreachable"]);
}

#[test]
fn a_new_relay_that_no_backend_answers_is_not_well() {
    let mut facts = with(running(0), |liveness| {
        liveness.scan_secs_ago = None;
        liveness.pull_secs_ago = None;
    });
    facts.waits_for_backend = true;
    assert_eq!(codes(&facts), ["backend_not_heard", "pull_overdue"]);
    facts.pull = reported("unreachable");
    assert_eq!(codes(&facts), ["unreachable"]);
}

#[test]
fn a_silent_relay_is_noticed_though_the_clock_was_set_back() {
    // Silent for 150 s, then the clock was set back by an hour.
    let facts = running(150);
    let set_back = NOW.minus(Duration::from_hours(1));
    assert_eq!(codes_at(&facts, set_back), ["time_in_future"]);
    assert!(
        facts.reasons(set_back)[0].may_pass,
        "the relay may be about to write"
    );
    // A difference within the slack.
    assert!(codes_at(&running(0), NOW.minus(secs(4))).is_empty());
}

#[test]
fn a_clock_that_is_set_ahead_looks_like_silence_until_the_relay_writes() {
    let reasons = running(10).reasons(NOW.plus(Duration::from_hours(1)));
    assert!(!reasons.is_empty() && reasons.iter().all(|reason| reason.may_pass));
    // The relay writes a record within seconds, and its ages do not depend on the clock.
    let facts = with(running(0), |liveness| {
        liveness.written_at = NOW.plus(Duration::from_hours(1)).as_micros();
    });
    assert!(codes_at(&facts, NOW.plus(Duration::from_hours(1))).is_empty());
}

#[test]
fn a_stopped_relay_has_the_one_reason_not_running() {
    let mut facts = running(1_000_000);
    facts.running = false;
    facts.delivery = reported("unreachable");
    assert_eq!(codes(&facts), ["not_running"]);
    assert!(!facts.is_starting(NOW));
}

#[test]
fn a_running_relay_without_a_record_is_not_well() {
    let mut facts = running(0);
    facts.liveness = None;
    assert_eq!(codes(&facts), ["no_vitals"]);
}
