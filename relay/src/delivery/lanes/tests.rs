//! Order, fairness and bounds, against a model of the outbox.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SMALL: Limits = Limits {
    window: 8,
    per_lane: 3,
};

/// The outbox as far as the scheduler sees it: pending posts by place.
#[derive(Default)]
struct Outbox {
    pending: BTreeMap<i64, Arc<str>>,
    last: i64,
}

impl Outbox {
    fn enqueue(&mut self, lane: &str) {
        self.last += 1;
        self.pending.insert(self.last, lane.into());
    }

    fn read(&self, wanted: &Wanted) -> Vec<Queued> {
        let (after, limit, only) = match wanted {
            Wanted::After(after, limit) => (*after, *limit, None),
            Wanted::Lane(lane, after, limit) => (*after, *limit, Some(lane)),
        };
        self.pending
            .range(after + 1..)
            .filter(|(_, lane)| only.is_none_or(|only| *lane == only))
            .take(limit)
            .map(|(seq, lane)| Queued {
                seq: *seq,
                lane: lane.clone(),
                attempts: 0,
                not_before: None,
            })
            .collect()
    }

    fn fill(&self, lanes: &mut Lanes) {
        while let Some(wanted) = lanes.wanted() {
            let posts = self.read(&wanted);
            lanes.add(&wanted, posts);
        }
    }
}

fn take_all(lanes: &mut Lanes, now: Instant) -> Vec<Taken> {
    std::iter::from_fn(|| lanes.take(now)).collect()
}

#[test]
fn one_of_a_lane_at_a_time_and_lanes_side_by_side() {
    let (mut outbox, mut lanes, now) = (Outbox::default(), Lanes::new(SMALL), Instant::now());
    for lane in ["a", "a", "b"] {
        outbox.enqueue(lane);
    }
    outbox.fill(&mut lanes);
    let first = take_all(&mut lanes, now);
    assert_eq!(first.iter().map(|t| t.seq).collect::<Vec<_>>(), [1, 3]);
    lanes.settled(&first[0]);
    assert_eq!(take_all(&mut lanes, now)[0].seq, 2);
}

#[test]
fn a_failed_post_holds_its_lane_until_it_is_due_and_no_other() {
    let (mut outbox, mut lanes, now) = (Outbox::default(), Lanes::new(SMALL), Instant::now());
    for lane in ["a", "a", "b", "b"] {
        outbox.enqueue(lane);
    }
    outbox.fill(&mut lanes);
    let first = take_all(&mut lanes, now);
    let due = now + Duration::from_secs(5);
    lanes.failed(&first[0], 1, Some(due));
    lanes.settled(&first[1]);
    assert_eq!(take_all(&mut lanes, now)[0].seq, 4);
    assert_eq!(lanes.next_due(), Some(due));
    let again = take_all(&mut lanes, due);
    assert_eq!((again[0].seq, again[0].attempts), (1, 1));
}

#[test]
fn a_long_lane_starves_nobody_and_fills_no_memory() {
    let (mut outbox, mut lanes, now) = (Outbox::default(), Lanes::new(SMALL), Instant::now());
    for _ in 0..1000 {
        outbox.enqueue("long");
    }
    outbox.enqueue("short");
    outbox.fill(&mut lanes);
    assert!(lanes.held() <= SMALL.window, "{}", lanes.held());
    let first = take_all(&mut lanes, now);
    assert_eq!(first.iter().map(|t| t.seq).collect::<Vec<_>>(), [1, 1001]);
}

#[test]
fn what_became_pending_again_goes_before_later_ones() {
    let (mut outbox, mut lanes, now) = (Outbox::default(), Lanes::new(SMALL), Instant::now());
    for _ in 0..3 {
        outbox.enqueue("a");
    }
    let parked = outbox.pending.remove(&1).expect("there");
    outbox.fill(&mut lanes);
    let under_way = lanes.take(now).expect("a post");
    assert_eq!(under_way.seq, 2);
    outbox.pending.insert(1, parked);
    lanes.rewind();
    outbox.fill(&mut lanes);
    assert_eq!(lanes.take(now), None, "the lane is busy");
    outbox.pending.remove(&2);
    lanes.settled(&under_way);
    assert_eq!(lanes.take(now).map(|t| t.seq), Some(1));
}

#[derive(Clone, Debug)]
enum Step {
    Enqueue(u8),
    Take,
    Settle(usize),
    Fail(usize, u64),
    Wait(u64),
    Rewind,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u8..4).prop_map(Step::Enqueue),
        4 => Just(Step::Take),
        3 => any::<usize>().prop_map(Step::Settle),
        2 => (any::<usize>(), 0_u64..5).prop_map(|(i, s)| Step::Fail(i, s)),
        1 => (0_u64..5).prop_map(Step::Wait),
        1 => Just(Step::Rewind),
    ];
    proptest::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn every_post_is_settled_once_and_in_the_order_of_its_lane(steps in steps()) {
        let (mut outbox, mut lanes) = (Outbox::default(), Lanes::new(SMALL));
        let mut now = Instant::now();
        let mut under_way: Vec<Taken> = Vec::new();
        let mut done: BTreeMap<Arc<str>, Vec<i64>> = BTreeMap::new();
        let mut settle = |outbox: &mut Outbox, lanes: &mut Lanes, post: Taken| {
            outbox.pending.remove(&post.seq);
            lanes.settled(&post);
            done.entry(post.lane).or_default().push(post.seq);
        };
        for step in steps {
            match step {
                Step::Enqueue(lane) => { outbox.enqueue(&lane.to_string()); lanes.poke(); }
                Step::Take => under_way.extend(lanes.take(now)),
                Step::Settle(i) if !under_way.is_empty() => {
                    let post = under_way.swap_remove(i % under_way.len());
                    settle(&mut outbox, &mut lanes, post);
                }
                Step::Fail(i, secs) if !under_way.is_empty() => {
                    let post = under_way.swap_remove(i % under_way.len());
                    let attempts = post.attempts + 1;
                    lanes.failed(&post, attempts, Some(now + Duration::from_secs(secs)));
                }
                Step::Wait(secs) => now += Duration::from_secs(secs),
                Step::Rewind => lanes.rewind(),
                Step::Settle(_) | Step::Fail(..) => {}
            }
            outbox.fill(&mut lanes);
            prop_assert!(lanes.held() <= SMALL.window + 8 * SMALL.per_lane);
            prop_assert_eq!(lanes.in_flight(), under_way.len());
            let mut names: Vec<_> = under_way.iter().map(|t| t.lane.clone()).collect();
            names.sort();
            names.dedup();
            prop_assert_eq!(names.len(), under_way.len(), "one of a lane at a time");
        }
        now += Duration::from_mins(1);
        loop {
            for post in std::mem::take(&mut under_way) {
                settle(&mut outbox, &mut lanes, post);
            }
            outbox.fill(&mut lanes);
            under_way.extend(std::iter::from_fn(|| lanes.take(now)));
            if under_way.is_empty() {
                break;
            }
        }
        prop_assert!(outbox.pending.is_empty(), "left: {:?}", outbox.pending);
        prop_assert_eq!(lanes.held(), 0);
        for (lane, seqs) in done {
            prop_assert!(seqs.is_sorted_by(|a, b| a < b), "{lane}: {seqs:?}");
        }
    }
}
