//! Chooses the post that is sent next. The posts of one lane are sent one after another, the lanes in parallel.
//!
//! Memory is bounded. [`Lanes`] holds no bodies, at most [`Limits::per_lane`] posts of each lane and about
//! [`Limits::window`] posts in all. The rest of a long backlog stays in the outbox: the sender reads what
//! [`Lanes::next_page`] asks for and hands it to [`Lanes::add`].
//!
//! The sender writes every result into the outbox before it reads a page, so a page contains only pending
//! posts. [`Lanes::add`] ignores those that are in flight.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// How much of the outbox [`Lanes`] holds in memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// About how many posts are held in memory.
    pub window: usize,
    /// How many posts of one lane are held in memory at most.
    pub per_lane: usize,
}

/// A pending post of the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedPost {
    /// Number in the outbox.
    pub seq: i64,
    pub lane: Arc<str>,
    /// Failed attempts so far.
    pub attempts: u32,
    /// The post is not sent before this instant.
    pub not_before: Option<Instant>,
}

/// Pending posts that are to be read from the outbox: at most `limit`, with numbers above `after`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Only posts of this lane; without it, posts of all lanes.
    pub lane: Option<Arc<str>>,
    pub after: i64,
    pub limit: usize,
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<QueuedPost>,
    /// The number of the post in flight.
    in_flight: Option<i64>,
    /// The number of the last post that was read.
    read_to: i64,
    /// Whether the outbox has posts after `read_to` for which there was no room.
    has_more: bool,
}

impl Lane {
    /// Inserts a post in the order of the outbox. Returns false if the lane has it already.
    fn insert(&mut self, post: QueuedPost) -> bool {
        let at = self.queue.partition_point(|queued| queued.seq < post.seq);
        let is_queued = self
            .queue
            .get(at)
            .is_some_and(|queued| queued.seq == post.seq);
        if is_queued || self.in_flight == Some(post.seq) {
            return false;
        }
        self.queue.insert(at, post);
        true
    }
}

/// The scheduler. A lane with queued posts and no post in flight is either in `ready` or in `delayed`.
#[derive(Debug)]
pub struct Lanes {
    limits: Limits,
    by_name: HashMap<Arc<str>, Lane>,
    ready: VecDeque<Arc<str>>,
    delayed: BTreeSet<(Instant, Arc<str>)>,
    /// Lanes with few queued posts of which the outbox has more.
    running_low: BTreeSet<Arc<str>>,
    /// Queued posts of all lanes.
    held: usize,
    in_flight: usize,
    /// The number of the last post that was read in a page of all lanes.
    read_to: i64,
    /// Whether the outbox may have posts after `read_to`.
    has_more: bool,
}

impl Lanes {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            by_name: HashMap::new(),
            ready: VecDeque::new(),
            delayed: BTreeSet::new(),
            running_low: BTreeSet::new(),
            held: 0,
            in_flight: 0,
            read_to: 0,
            has_more: true,
        }
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The number of posts held, without those in flight.
    pub fn held(&self) -> usize {
        self.held
    }

    /// When the first delayed lane is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.delayed.first().map(|(due, _)| *due)
    }

    /// Makes [`Self::next_page`] read on, because there may be new posts at the end of the outbox.
    pub fn expect_more(&mut self) {
        self.has_more = true;
    }

    /// Reads the outbox from its start again, because the owner may have changed posts that were read already.
    /// Posts in flight stay in flight.
    pub fn rewind(&mut self) {
        self.ready.clear();
        self.delayed.clear();
        self.running_low.clear();
        self.by_name.retain(|_, lane| {
            lane.queue.clear();
            lane.read_to = 0;
            lane.has_more = false;
            lane.in_flight.is_some()
        });
        self.held = 0;
        self.read_to = 0;
        self.has_more = true;
    }

    /// The posts to read next, if there is room for them and the outbox may have more.
    pub fn next_page(&self) -> Option<PageRequest> {
        if let Some(name) = self.running_low.first() {
            return Some(PageRequest {
                lane: Some(name.clone()),
                after: self.by_name.get(name).map_or(0, |lane| lane.read_to),
                limit: self.limits.per_lane,
            });
        }
        // Half of the window must be free, so that the outbox is not read anew for each post.
        let room = self.limits.window.saturating_sub(self.held);
        (self.has_more && room > self.limits.window / 2).then_some(PageRequest {
            lane: None,
            after: self.read_to,
            limit: room,
        })
    }

    /// Adds the posts of a page, in the order of the outbox.
    pub fn add(&mut self, page: &PageRequest, posts: Vec<QueuedPost>) {
        let has_more = posts.len() >= page.limit;
        if let Some(name) = &page.lane {
            self.running_low.remove(name);
            if let Some(lane) = self.by_name.get_mut(name) {
                lane.has_more = has_more;
            }
            for post in posts {
                self.push(post);
            }
            self.remove_if_done(name);
        } else {
            self.has_more = has_more;
            self.read_to = posts.last().map_or(self.read_to, |last| last.seq);
            for post in posts {
                // A page of the lane may have read the post already, or will read it.
                let lane = self.by_name.get(&post.lane);
                if !lane.is_some_and(|lane| lane.has_more || post.seq <= lane.read_to) {
                    self.push(post);
                }
            }
        }
    }

    /// Takes the next post that may be sent at `now`. The post is in flight until [`Self::finish`] or
    /// [`Self::retry`] is called.
    pub fn take(&mut self, now: Instant) -> Option<QueuedPost> {
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
            lane.in_flight = Some(head.seq);
            self.held -= 1;
            self.in_flight += 1;
            if lane.has_more && lane.queue.len() <= self.limits.per_lane / 2 {
                self.running_low.insert(name);
            }
            return Some(head);
        }
        None
    }

    /// A post in flight is not sent again: it was delivered, parked, or dropped by the owner.
    pub fn finish(&mut self, post: &QueuedPost) {
        self.end_flight(post);
        self.schedule(&post.lane);
        self.remove_if_done(&post.lane);
    }

    /// A post in flight is sent again, not before its `not_before`. Its lane waits until then.
    pub fn retry(&mut self, post: QueuedPost) {
        self.end_flight(&post);
        let name = post.lane.clone();
        if self.by_name.entry(name.clone()).or_default().insert(post) {
            self.held += 1;
        }
        self.schedule(&name);
    }

    /// Queues a post in its lane. If the lane is full, notes that the outbox has more of it.
    fn push(&mut self, post: QueuedPost) {
        let name = post.lane.clone();
        let lane = self.by_name.entry(name.clone()).or_default();
        if lane.queue.len() >= self.limits.per_lane {
            lane.has_more = true;
            return;
        }
        lane.read_to = lane.read_to.max(post.seq);
        let was_empty = lane.queue.is_empty();
        if lane.insert(post) {
            self.held += 1;
            if was_empty {
                self.schedule(&name);
            }
        }
    }

    /// Notes that a post is no longer in flight.
    fn end_flight(&mut self, post: &QueuedPost) {
        if let Some(lane) = self.by_name.get_mut(&post.lane) {
            debug_assert_eq!(
                lane.in_flight,
                Some(post.seq),
                "one post of a lane is in flight"
            );
            lane.in_flight = None;
            self.in_flight -= 1;
        }
    }

    /// Puts a lane with queued posts and no post in flight into `ready` or `delayed`.
    fn schedule(&mut self, name: &Arc<str>) {
        let lane = self
            .by_name
            .get(name)
            .filter(|lane| lane.in_flight.is_none());
        let Some(head) = lane.and_then(|lane| lane.queue.front()) else {
            return;
        };
        match head.not_before {
            Some(due) => {
                self.delayed.insert((due, name.clone()));
            }
            None => self.ready.push_back(name.clone()),
        }
    }

    /// Removes a lane that has no post here and none left in the outbox.
    fn remove_if_done(&mut self, name: &Arc<str>) {
        let lane = self.by_name.get(name);
        if lane
            .is_some_and(|lane| lane.queue.is_empty() && lane.in_flight.is_none() && !lane.has_more)
        {
            self.by_name.remove(name);
        }
    }
}

#[cfg(test)]
mod tests;
