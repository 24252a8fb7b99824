//! Which post goes next: order inside a lane, lanes in parallel.
//!
//! Pure and bounded. It holds places in the outbox, never bodies: of each lane at most
//! [`Limits::per_lane`], and about [`Limits::window`] in all. The rest of a long backlog stays in the
//! outbox until there is room: the sender asks [`Lanes::wanted`] what to read and hands it to
//! [`Lanes::add`]. A lane has one post under way; whatever settles that post frees the lane, so a
//! parked one holds back nothing.
//!
//! The sender has written every settled post down before it reads for a lane: what was read is pending, except
//! for the posts under way, which it leaves out itself.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// Bounds on what is held in memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Posts held, about.
    pub window: usize,
    /// Posts of one lane held.
    pub per_lane: usize,
}

/// A post as it was read from the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// Its place.
    pub seq: i64,
    /// Its conversation.
    pub lane: Arc<str>,
    /// Failed attempts so far.
    pub attempts: u32,
    /// Not to be sent before.
    pub not_before: Option<Instant>,
}

/// A post that is to be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its place.
    pub seq: i64,
    /// Its conversation.
    pub lane: Arc<str>,
    /// Failed attempts so far.
    pub attempts: u32,
}

/// What to read from the outbox next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Any lane's posts after this place, at most so many.
    After(i64, usize),
    /// One lane's posts after this place, at most so many.
    Lane(Arc<str>, i64, usize),
}

#[derive(Debug)]
struct Slot {
    seq: i64,
    attempts: u32,
    not_before: Option<Instant>,
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<Slot>,
    under_way: Option<i64>,
    /// This lane has been read up to here.
    read_to: i64,
    /// Posts after `read_to` were passed over for want of room.
    more: bool,
}

impl Lane {
    fn insert(&mut self, slot: Slot) -> Inserted {
        let at = self.queue.partition_point(|held| held.seq < slot.seq);
        let known = self.queue.get(at).is_some_and(|held| held.seq == slot.seq);
        if known || self.under_way == Some(slot.seq) {
            return Inserted::Known;
        }
        self.queue.insert(at, slot);
        Inserted::New
    }
}

#[derive(PartialEq, Eq)]
enum Inserted {
    New,
    Known,
}

/// The scheduler. A lane that has posts and none under way is in exactly one of `ready` and
/// `delayed`.
#[derive(Debug)]
pub struct Lanes {
    limits: Limits,
    by_name: HashMap<Arc<str>, Lane>,
    ready: VecDeque<Arc<str>>,
    delayed: BTreeSet<(Instant, Arc<str>)>,
    /// Lanes that ran low while the outbox holds more of them.
    thirsty: BTreeSet<Arc<str>>,
    held: usize,
    in_flight: usize,
    cursor: i64,
    more: bool,
}

impl Lanes {
    /// An empty scheduler that has yet to read the outbox.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            by_name: HashMap::new(),
            ready: VecDeque::new(),
            delayed: BTreeSet::new(),
            thirsty: BTreeSet::new(),
            held: 0,
            in_flight: 0,
            cursor: 0,
            more: true,
        }
    }

    /// How many posts are under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How many posts are held, those under way not counted.
    pub fn held(&self) -> usize {
        self.held
    }

    /// When the first of the delayed lanes is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.delayed.first().map(|(due, _)| *due)
    }

    /// There may be new posts at the end of the outbox.
    pub fn poke(&mut self) {
        self.more = true;
    }

    /// Posts that were passed may be pending again, or gone: the outbox is read from its start. What
    /// is under way stays so.
    pub fn rewind(&mut self) {
        self.ready.clear();
        self.delayed.clear();
        self.thirsty.clear();
        self.by_name.retain(|_, lane| {
            lane.queue.clear();
            lane.read_to = 0;
            lane.more = false;
            lane.under_way.is_some()
        });
        self.held = 0;
        self.cursor = 0;
        self.more = true;
    }

    /// What to read next, if there is room and there may be anything to read.
    pub fn wanted(&self) -> Option<Wanted> {
        if let Some(name) = self.thirsty.first() {
            let read_to = self.by_name.get(name).map_or(0, |lane| lane.read_to);
            return Some(Wanted::Lane(name.clone(), read_to, self.limits.per_lane));
        }
        let room = self.limits.window.saturating_sub(self.held);
        (self.more && room > self.limits.window / 2).then_some(Wanted::After(self.cursor, room))
    }

    /// Takes what was read for `wanted`, in the order of the outbox.
    pub fn add(&mut self, wanted: &Wanted, posts: Vec<Queued>) {
        match wanted {
            Wanted::After(_, limit) => {
                self.more = posts.len() >= *limit;
                self.cursor = posts.last().map_or(self.cursor, |last| last.seq);
                for post in posts {
                    // What a lane's own page has read already comes by here once more.
                    let passed = self
                        .by_name
                        .get(&post.lane)
                        .is_some_and(|lane| lane.more || post.seq <= lane.read_to);
                    if !passed {
                        self.push(&post);
                    }
                }
            }
            Wanted::Lane(name, _, limit) => {
                self.thirsty.remove(name);
                if let Some(lane) = self.by_name.get_mut(name) {
                    lane.more = posts.len() >= *limit;
                }
                for post in posts {
                    self.push(&post);
                }
                self.retire(name);
            }
        }
    }

    /// The next post that may go at `now`. It is under way until it is settled or failed.
    pub fn take(&mut self, now: Instant) -> Option<Taken> {
        while self.delayed.first().is_some_and(|(due, _)| *due <= now) {
            let (_, name) = self.delayed.pop_first().expect("looked at above");
            self.ready.push_back(name);
        }
        while let Some(name) = self.ready.pop_front() {
            let lane = self.by_name.get_mut(&name).expect("ready lanes exist");
            let head = lane.queue.front().expect("ready lanes have posts");
            if let Some(due) = head.not_before.filter(|due| *due > now) {
                self.delayed.insert((due, name));
                continue;
            }
            let head = lane.queue.pop_front().expect("looked at above");
            lane.under_way = Some(head.seq);
            self.held -= 1;
            self.in_flight += 1;
            if lane.more && lane.queue.len() <= self.limits.per_lane / 2 {
                self.thirsty.insert(name.clone());
            }
            return Some(Taken {
                seq: head.seq,
                lane: name,
                attempts: head.attempts,
            });
        }
        None
    }

    /// A post that was under way needs no more sending: delivered, parked, or dropped by the owner.
    pub fn settled(&mut self, post: &Taken) {
        self.land(post);
        self.arm(&post.lane);
        self.retire(&post.lane);
    }

    /// A post that was under way is to be sent again, not before `not_before`. Its lane waits.
    pub fn failed(&mut self, post: &Taken, attempts: u32, not_before: Option<Instant>) {
        self.land(post);
        let lane = self.by_name.entry(post.lane.clone()).or_default();
        let slot = Slot {
            seq: post.seq,
            attempts,
            not_before,
        };
        if lane.insert(slot) == Inserted::New {
            self.held += 1;
        }
        self.arm(&post.lane);
    }

    fn push(&mut self, post: &Queued) {
        let lane = self.by_name.entry(post.lane.clone()).or_default();
        if lane.queue.len() >= self.limits.per_lane {
            lane.more = true;
            return;
        }
        lane.read_to = lane.read_to.max(post.seq);
        let idle = lane.queue.is_empty();
        let slot = Slot {
            seq: post.seq,
            attempts: post.attempts,
            not_before: post.not_before,
        };
        if lane.insert(slot) == Inserted::New {
            self.held += 1;
            if idle {
                self.arm(&post.lane);
            }
        }
    }

    fn land(&mut self, post: &Taken) {
        if let Some(lane) = self.by_name.get_mut(&post.lane) {
            debug_assert_eq!(
                lane.under_way,
                Some(post.seq),
                "one post of a lane is under way"
            );
            lane.under_way = None;
            self.in_flight -= 1;
        }
    }

    fn arm(&mut self, name: &Arc<str>) {
        let Some(lane) = self.by_name.get(name) else {
            return;
        };
        let Some(head) = lane.queue.front().filter(|_| lane.under_way.is_none()) else {
            return;
        };
        match head.not_before {
            Some(due) => {
                self.delayed.insert((due, name.clone()));
            }
            None => self.ready.push_back(name.clone()),
        }
    }

    fn retire(&mut self, name: &Arc<str>) {
        let done = self
            .by_name
            .get(name)
            .is_some_and(|lane| lane.queue.is_empty() && lane.under_way.is_none() && !lane.more);
        if done {
            self.by_name.remove(name);
        }
    }
}

#[cfg(test)]
mod tests;
