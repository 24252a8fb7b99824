//! Order, fairness and bounds of the scheduler, checked with a model of the outbox.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SMALL: Limits = Limits {
    window: 8,
    per_lane: 3,
};

/// A model of the outbox: the lanes of the pending posts, by number.
#[derive(Default)]
struct Outbox {
    pending: BTreeMap<i64, Arc<str>>,
    /// The highest number so far.
    last: i64,
}

impl Outbox {
    fn enqueue(&mut self, lane: &str) {
        self.last += 1;
        self.pending.insert(self.last, lane.into());
    }

    /// The posts that the page asks for.
    fn read(&self, page: &PageRequest) -> Vec<QueuedPost> {
        self.pending
            .range(page.after + 1..)
            .filter(|(_, lane)| page.lane.as_ref().is_none_or(|only| *lane == only))
            .take(page.limit)
            .map(|(seq, lane)| QueuedPost {
                seq: *seq,
                lane: lane.clone(),
                attempts: 0,
                not_before: None,
            })
            .collect()
    }

    /// Gives the lanes every page that they ask for.
    fn fill(&self, lanes: &mut Lanes) {
        while let Some(page) = lanes.next_page() {
            let posts = self.read(&page);
            lanes.add(&page, posts);
        }
    }
}

fn take_all(lanes: &mut Lanes, now: Instant) -> Vec<QueuedPost> {
    std::iter::from_fn(|| lanes.take(now)).collect()
}

#[test]
fn a_lane_has_one_post_in_flight_and_lanes_are_sent_in_parallel() {
    let (mut outbox, mut lanes, now) = (Outbox::default(), Lanes::new(SMALL), Instant::now());
    for lane in ["a", "a", "b"] {
        outbox.enqueue(lane);
    }
    outbox.fill(&mut lanes);
    let first = take_all(&mut lanes, now);
    assert_eq!(
        first.iter().map(|post| post.seq).collect::<Vec<_>>(),
        [1, 3]
    );
    lanes.finish(&first[0]);
    assert_eq!(take_all(&mut lanes, now)[0].seq, 2);
}

#[test]
fn a_failed_post_delays_its_own_lane_until_it_is_due() {
    let (mut outbox, mut lanes, now) = (Outbox::default(), Lanes::new(SMALL), Instant::now());
    for lane in ["a", "a", "b", "b"] {
        outbox.enqueue(lane);
    }
    outbox.fill(&mut lanes);
    let first = take_all(&mut lanes, now);
    let due = now + Duration::from_secs(5);
    lanes.retry(QueuedPost {
        attempts: 1,
        not_before: Some(due),
        ..first[0].clone()
    });
    lanes.finish(&first[1]);
    assert_eq!(take_all(&mut lanes, now)[0].seq, 4);
    assert_eq!(lanes.next_due(), Some(due));
    let again = take_all(&mut lanes, due);
    assert_eq!((again[0].seq, again[0].attempts), (1, 1));
}

#[test]
fn a_long_lane_holds_up_no_other_lane_and_memory_stays_bounded() {
    let (mut outbox, mut lanes, now) = (Outbox::default(), Lanes::new(SMALL), Instant::now());
    for _ in 0..1000 {
        outbox.enqueue("long");
    }
    outbox.enqueue("short");
    outbox.fill(&mut lanes);
    assert!(lanes.held() <= SMALL.window, "{}", lanes.held());
    let first = take_all(&mut lanes, now);
    assert_eq!(
        first.iter().map(|post| post.seq).collect::<Vec<_>>(),
        [1, 1001]
    );
}

#[test]
fn a_post_that_is_pending_again_is_sent_before_later_ones() {
    let (mut outbox, mut lanes, now) = (Outbox::default(), Lanes::new(SMALL), Instant::now());
    for _ in 0..3 {
        outbox.enqueue("a");
    }
    let parked = outbox.pending.remove(&1).expect("there");
    outbox.fill(&mut lanes);
    let in_flight = lanes.take(now).expect("a post");
    assert_eq!(in_flight.seq, 2);
    outbox.pending.insert(1, parked);
    lanes.rewind();
    outbox.fill(&mut lanes);
    assert_eq!(lanes.take(now), None, "the lane is busy");
    outbox.pending.remove(&2);
    lanes.finish(&in_flight);
    assert_eq!(lanes.take(now).map(|post| post.seq), Some(1));
}

#[derive(Clone, Debug)]
enum Step {
    /// Adds a post of the lane with this name to the outbox.
    Enqueue(u8),
    Take,
    /// Delivers one of the posts in flight. The number chooses it.
    Finish(usize),
    /// Fails one of the posts in flight, which is to be sent again after so many seconds.
    Fail(usize, u64),
    /// Lets so many seconds pass.
    Wait(u64),
    Rewind,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u8..4).prop_map(Step::Enqueue),
        4 => Just(Step::Take),
        3 => any::<usize>().prop_map(Step::Finish),
        2 => (any::<usize>(), 0_u64..5).prop_map(|(i, s)| Step::Fail(i, s)),
        1 => (0_u64..5).prop_map(Step::Wait),
        1 => Just(Step::Rewind),
    ];
    proptest::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn every_post_is_finished_once_and_in_the_order_of_its_lane(steps in steps()) {
        let (mut outbox, mut lanes) = (Outbox::default(), Lanes::new(SMALL));
        let mut now = Instant::now();
        let mut in_flight: Vec<QueuedPost> = Vec::new();
        let mut done: BTreeMap<Arc<str>, Vec<i64>> = BTreeMap::new();
        let mut finish = |outbox: &mut Outbox, lanes: &mut Lanes, post: QueuedPost| {
            outbox.pending.remove(&post.seq);
            lanes.finish(&post);
            done.entry(post.lane).or_default().push(post.seq);
        };
        for step in steps {
            match step {
                Step::Enqueue(lane) => { outbox.enqueue(&lane.to_string()); lanes.expect_more(); }
                Step::Take => in_flight.extend(lanes.take(now)),
                Step::Finish(i) if !in_flight.is_empty() => {
                    let post = in_flight.swap_remove(i % in_flight.len());
                    finish(&mut outbox, &mut lanes, post);
                }
                Step::Fail(i, secs) if !in_flight.is_empty() => {
                    let post = in_flight.swap_remove(i % in_flight.len());
                    lanes.retry(QueuedPost {
                        attempts: post.attempts + 1,
                        not_before: Some(now + Duration::from_secs(secs)),
                        ..post
                    });
                }
                Step::Wait(secs) => now += Duration::from_secs(secs),
                Step::Rewind => lanes.rewind(),
                Step::Finish(_) | Step::Fail(..) => {}
            }
            outbox.fill(&mut lanes);
            // Pages of a single lane come on top of the window. Eight of them are more than four lanes need.
            prop_assert!(lanes.held() <= SMALL.window + 8 * SMALL.per_lane);
            prop_assert_eq!(lanes.in_flight(), in_flight.len());
            let mut names: Vec<_> = in_flight.iter().map(|post| post.lane.clone()).collect();
            names.sort();
            names.dedup();
            prop_assert_eq!(names.len(), in_flight.len(), "one post of a lane at a time");
        }
        now += Duration::from_mins(1);
        loop {
            for post in std::mem::take(&mut in_flight) {
                finish(&mut outbox, &mut lanes, post);
            }
            outbox.fill(&mut lanes);
            in_flight.extend(std::iter::from_fn(|| lanes.take(now)));
            if in_flight.is_empty() {
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
