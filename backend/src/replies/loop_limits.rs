//! Limits by which a loop ends, in which another machine answers each of our replies.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::store::{EarlierTurn, TurnOutcome};

const PAUSE: Duration = Duration::from_hours(1);
/// At most so many replies in a time.
const LIMITS: [(usize, Duration); 2] =
    [(8, Duration::from_mins(5)), (60, Duration::from_hours(24))];
/// So many replies in a row to the same text are given, and no more.
const SAME_TEXT: usize = 3;

/// What the limits say about the next reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoopCheck {
    Go,
    /// The conversation is paused until this time.
    Paused(Timestamp),
    /// The reply would be one too many, so the conversation is paused until this time.
    Exceeded(Timestamp),
}

/// Checks the turns of the last day, newest first, before a reply to `text`.
pub(super) fn check(earlier: &[EarlierTurn], text: &str, now: Timestamp) -> LoopCheck {
    let is = |turn: &EarlierTurn, outcome: TurnOutcome| {
        let name: &str = outcome.into();
        turn.outcome == name
    };
    let last_pause = earlier.iter().find(|turn| is(turn, TurnOutcome::Loop));
    let pause_ends_at = last_pause.map(|turn| turn.decided_at.plus(PAUSE));
    if let Some(until) = pause_ends_at.filter(|until| *until > now) {
        return LoopCheck::Paused(until);
    }
    let replied = || earlier.iter().filter(|turn| is(turn, TurnOutcome::Replied));
    let is_too_frequent = LIMITS.iter().any(|(most, span)| {
        let since = now.minus(*span);
        replied().filter(|turn| turn.decided_at > since).count() >= *most
    });
    let is_same = |turn: &&EarlierTurn| {
        let said = turn.text.as_deref().map(plain);
        !text.trim().is_empty() && said == Some(plain(text))
    };
    let since_pause = earlier
        .iter()
        .take_while(|turn| !is(turn, TurnOutcome::Loop));
    let same = since_pause.take_while(is_same).count();
    if is_too_frequent || same >= SAME_TEXT {
        LoopCheck::Exceeded(now.plus(PAUSE))
    } else {
        LoopCheck::Go
    }
}

/// The text in lower case with single spaces.
fn plain(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn turn(outcome: &str, secs_ago: u64, text: &str) -> EarlierTurn {
        EarlierTurn {
            outcome: outcome.to_owned(),
            decided_at: NOW.minus(Duration::from_secs(secs_ago)),
            text: Some(text.to_owned()),
        }
    }

    fn replied(times: &[u64]) -> Vec<EarlierTurn> {
        let turns = times.iter();
        turns
            .map(|ago| turn("replied", *ago, &format!("text {ago}")))
            .collect()
    }

    #[test]
    fn eight_replies_in_five_minutes_are_the_most() {
        let seven: Vec<u64> = (1..8).map(|n| n * 10).collect();
        assert_eq!(check(&replied(&seven), "x", NOW), LoopCheck::Go);
        let eight: Vec<u64> = (1..9).map(|n| n * 10).collect();
        let until = NOW.plus(PAUSE);
        assert_eq!(
            check(&replied(&eight), "x", NOW),
            LoopCheck::Exceeded(until)
        );
        let slower: Vec<u64> = (1..9).map(|n| n * 60).collect();
        assert_eq!(check(&replied(&slower), "x", NOW), LoopCheck::Go);
    }

    #[test]
    fn sixty_replies_a_day_are_the_most() {
        let times = |count: u64| (1..=count).map(|n| n * 600).collect::<Vec<_>>();
        assert_eq!(check(&replied(&times(59)), "x", NOW), LoopCheck::Go);
        let refused = check(&replied(&times(60)), "x", NOW);
        assert!(matches!(refused, LoopCheck::Exceeded(_)));
    }

    #[test]
    fn a_text_that_is_repeated_gets_three_replies() {
        let mut turns = vec![
            turn("replied", 60, "I am  away"),
            turn("replied", 120, "i am away"),
        ];
        assert_eq!(check(&turns, "I am away", NOW), LoopCheck::Go);
        turns.push(turn("replied", 180, "I am away"));
        assert!(matches!(
            check(&turns, "I am away", NOW),
            LoopCheck::Exceeded(_)
        ));
        assert_eq!(check(&turns, "I am back", NOW), LoopCheck::Go);
        turns.insert(1, turn("replied", 90, "and now?"));
        assert_eq!(
            check(&turns, "I am away", NOW),
            LoopCheck::Go,
            "not in a row"
        );
    }

    #[test]
    fn a_pause_lasts_an_hour_and_then_the_same_text_counts_anew() {
        let mut turns = vec![turn("loop", 60, "hi")];
        turns.extend([120, 180, 240].map(|ago| turn("replied", ago, "hi")));
        let until = NOW.plus(Duration::from_mins(59));
        assert_eq!(check(&turns, "hi", NOW), LoopCheck::Paused(until));
        for turn in &mut turns {
            turn.decided_at = turn.decided_at.minus(Duration::from_hours(1));
        }
        assert_eq!(check(&turns, "hi", NOW), LoopCheck::Go);
    }
}
