//! Two replicas of the backend on one database, which are restarted in turn while people write.
//!
//! People write in bursts, so that a turn has several messages. Each message has to be stored once and answered in one
//! turn, and each turn has to get one reply, which is seen once in its chat.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use archety_harness::{Backend, Binaries, FASTER, Mac, free_port, now_micros};
use clap::Args;
use messages_stand_in::{Chat, Date, NewMessage};
use test_process::Signal;

use crate::balancer::Balancer;
use crate::feed::Question;
use crate::judge::Evidence;
use crate::postgres::Cluster;
use crate::stage::{Stage, line};

/// Restart two replicas in turn while people write
#[derive(Args)]
pub(crate) struct Arguments {
    /// A Postgres server, as the URL of a superuser
    #[arg(long)]
    postgres: String,
    /// For how long people write
    #[arg(long, default_value_t = 120)]
    seconds: u32,
    /// How many messages come in a second
    #[arg(long, default_value_t = 20)]
    per_second: u32,
    /// The time between two restarts, in seconds
    #[arg(long, default_value_t = 5)]
    every: u32,
}

/// The messages of a burst come one after the other, with this time between them.
const BURST: usize = 3;
const WITHIN_BURST: Duration = Duration::from_millis(50);
/// How many bursts a chat has at most. A chat with more than eight turns in five minutes is paused, and a restart may
/// split a burst.
const BURSTS_IN_A_CHAT: usize = 2;
/// The quiet gap of turns.
const QUIET_MS: &str = "400";
/// How many bubbles the messages ask for, in turn.
const BUBBLES: [u32; 4] = [1, 2, 1, 3];
const LOOK_EVERY: Duration = Duration::from_millis(20);
const PROGRESS_EVERY: Duration = Duration::from_secs(10);
/// How long nothing may be under way at the end.
const QUIET: Duration = Duration::from_secs(2);
const DEADLINE: Duration = Duration::from_mins(3);

/// Prints what became of the messages. Returns whether all is as it should be.
pub(crate) fn show(arguments: &Arguments) -> anyhow::Result<bool> {
    let binaries = Binaries::beside_this_program()?.with_faster_relay()?;
    let cluster = Cluster::prepare(&binaries, &arguments.postgres)?;
    let store = cluster.database("replicas")?;
    let mut run = Run::new(Stage::new(&binaries, Some(store))?, arguments)?;
    println!(
        "two replicas on one Postgres behind a balancer, restarted in turn every {} s, every second time with kill -9; \
         {} messages a second for {} s, in bursts of {BURST}; times of sending divided by {FASTER}, quiet gap {QUIET_MS} ms\n",
        arguments.every, arguments.per_second, arguments.seconds
    );
    let shown = run.flow();
    if !matches!(shown, Ok(true)) {
        let files = run.stage.keep_files();
        eprintln!("the files are in {}", files.display());
    }
    shown
}

struct Run<'a> {
    arguments: &'a Arguments,
    stage: Stage,
    replicas: Vec<Replica>,
    restarts: u32,
    writing: Writing,
}

struct Replica {
    port: u16,
    backend: Backend,
    /// Whether it was told to end.
    is_ending: bool,
}

impl<'a> Run<'a> {
    fn new(mut stage: Stage, arguments: &'a Arguments) -> anyhow::Result<Self> {
        let ports = [free_port()?, free_port()?];
        let balancer = Balancer::start(ports.to_vec())?;
        stage.set_port(balancer.port());
        let mut replicas = Vec::new();
        for port in ports {
            let backend = start(&stage, port)?;
            replicas.push(Replica {
                port,
                backend,
                is_ending: false,
            });
        }
        let messages = usize::try_from(arguments.seconds * arguments.per_second)?;
        let writing = Writing::new(&mut stage.mac, messages, arguments.per_second)?;
        Ok(Self {
            arguments,
            stage,
            replicas,
            restarts: 0,
            writing,
        })
    }

    fn flow(&mut self) -> anyhow::Result<bool> {
        self.stage.start_relay(None)?;
        self.stage.wait_until_reading()?;
        let began = Instant::now();
        let every = Duration::from_secs(self.arguments.every.into());
        let mut progress_at = PROGRESS_EVERY;
        self.writing.begin();
        while !self.writing.is_over() {
            self.writing.write_due(&mut self.stage.mac)?;
            if began.elapsed() >= every * (self.restarts + 1) {
                self.end_next()?;
            }
            self.start_ended()?;
            if began.elapsed() >= progress_at {
                progress_at += PROGRESS_EVERY;
                let (replies, stored) = (self.evidence()?.replies().len(), self.stored()?);
                println!(
                    "{:>4} s  {:>5} written, {stored:>5} stored, {replies:>4} turns answered, {} restarts",
                    began.elapsed().as_secs(),
                    self.writing.written.len(),
                    self.restarts
                );
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.settle()?;
        self.judge(began)
    }

    /// Tells the replica whose turn it is to end, or kills it.
    fn end_next(&mut self) -> anyhow::Result<()> {
        let (number, count) = (usize::try_from(self.restarts)?, self.replicas.len());
        let replica = &mut self.replicas[number % count];
        // Each replica is ended in both ways.
        let signal = if (number / count).is_multiple_of(2) {
            Signal::TERM
        } else {
            Signal::KILL
        };
        replica.backend.process.signal(signal)?;
        replica.is_ending = true;
        self.restarts += 1;
        Ok(())
    }

    /// Starts the replicas again that have ended.
    fn start_ended(&mut self) -> anyhow::Result<()> {
        for replica in &mut self.replicas {
            if let Some(status) = replica.backend.process.ended()? {
                ensure!(
                    replica.is_ending,
                    "a replica has ended by itself ({status})"
                );
                replica.backend = start(&self.stage, replica.port)?;
                replica.is_ending = false;
            }
        }
        Ok(())
    }

    fn evidence(&self) -> anyhow::Result<Evidence> {
        Evidence::read(&self.stage, &mut self.stage.database()?)
    }

    fn stored(&self) -> anyhow::Result<usize> {
        Ok(self.stage.database()?.stored()?.len())
    }

    /// Waits until every message is answered and nothing is under way.
    fn settle(&mut self) -> anyhow::Result<()> {
        let (began, mut quiet_since) = (Instant::now(), None);
        loop {
            self.start_ended()?;
            let relay = self.stage.relay.as_mut().context("started")?;
            ensure!(relay.process.ended()?.is_none(), "the relay has ended");
            let evidence = self.evidence()?;
            let is_settled = evidence.unanswered().is_empty()
                && self.stored()? >= self.writing.written.len()
                && evidence.is_settled(&self.writing.answered(evidence.replies()));
            if !is_settled {
                quiet_since = None;
            } else if quiet_since.get_or_insert_with(Instant::now).elapsed() > QUIET {
                return Ok(());
            }
            if began.elapsed() > DEADLINE {
                eprintln!("it did not come to rest");
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY * 10);
        }
    }

    fn judge(&self, began: Instant) -> anyhow::Result<bool> {
        let evidence = self.evidence()?;
        let answered = self.writing.answered(evidence.replies());
        let tally = evidence.judge(&self.stage, &answered)?;
        let stored = self.stage.database()?.stored()?;
        let (turns, in_turns) = self.stage.database()?.answered_turns()?;
        let written = self.writing.written.len();
        let lost = self.writing.count(|guid| !stored.contains_key(guid));
        let doubled = self
            .writing
            .count(|guid| stored.get(guid).is_some_and(|times| *times > 1));
        println!("\n{:<34} {:>6}", "restarts of a replica", self.restarts);
        for (what, number) in [
            ("messages written", written),
            ("stored", stored.len()),
            ("lost", lost),
            ("stored twice", doubled),
            ("without an answer", evidence.unanswered().len()),
            ("turns answered", turns),
            ("messages in these turns", in_turns),
            ("replies", tally.replies),
            ("bubbles of these replies", tally.bubbles),
            ("seen once, in order", tally.seen),
            ("lost", tally.lost),
            ("doubled", tally.doubled),
            ("unknown or failed", tally.unknown + tally.failed),
            ("out of order", tally.out_of_order),
        ] {
            println!("{what:<34} {number:>6}");
        }
        println!("{:<34} {:>6}", "seconds", began.elapsed().as_secs());
        for fault in tally.described_faults().lines() {
            println!("    {fault}");
        }
        let is_ok = tally.is_clean()
            && (lost, doubled) == (0, 0)
            && stored.len() == written
            && evidence.unanswered().is_empty()
            && (turns, in_turns) == (tally.replies, written)
            && tally.seen == tally.bubbles;
        println!(
            "\n{}",
            if is_ok {
                "nothing lost, nothing doubled, one reply for each turn"
            } else {
                "FAILED"
            }
        );
        Ok(is_ok)
    }
}

fn start(stage: &Stage, port: u16) -> anyhow::Result<Backend> {
    stage.backend_with(port, &[("TURN_QUIET_MS", QUIET_MS)])
}

/// A chat, and how many messages were written in it.
struct WrittenChat {
    rowid: i64,
    guid: String,
    handle: i64,
    line: String,
}

/// The people who write, in bursts.
struct Writing {
    chats: Vec<WrittenChat>,
    written: Vec<Question>,
    /// How many messages are written in all.
    total: usize,
    /// The time between two bursts.
    every: Duration,
    began: Instant,
}

impl Writing {
    fn new(mac: &mut Mac, total: usize, per_second: u32) -> anyhow::Result<Self> {
        let bursts = total.div_ceil(BURST);
        let chats = (0..bursts.div_ceil(BURSTS_IN_A_CHAT)).map(|n| chat(mac, n));
        Ok(Self {
            chats: chats.collect::<anyhow::Result<_>>()?,
            written: Vec::new(),
            total,
            every: Duration::from_secs(1) * u32::try_from(BURST)? / per_second,
            began: Instant::now(),
        })
    }

    fn begin(&mut self) {
        self.began = Instant::now();
    }

    fn is_over(&self) -> bool {
        self.written.len() >= self.total
    }

    /// When a message is due after the beginning.
    fn due(&self, message: usize) -> Duration {
        let (burst, within) = (message / BURST, message % BURST);
        let times = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        self.every * times(burst) + WITHIN_BURST * times(within)
    }

    fn write_due(&mut self, mac: &mut Mac) -> anyhow::Result<()> {
        while !self.is_over() && self.began.elapsed() >= self.due(self.written.len()) {
            let number = self.written.len();
            let chat = &self.chats[number / BURST % self.chats.len()];
            let words = format!("message {number}:");
            let bubbles = BUBBLES[number / BURST % BUBBLES.len()];
            let date = Date::from_unix_micros(now_micros());
            let message = NewMessage::incoming(chat.handle, date)
                .text(format!("{words} {bubbles} bubbles"))
                .set("account", format!("P:{}", chat.line))
                .set("destination_caller_id", chat.line.clone());
            let rowid = mac.messages.deliver(chat.rowid, &message)?;
            self.written.push(Question {
                guid: mac.messages.guid_of(rowid)?,
                chat: chat.guid.clone(),
                words,
                bubbles,
            });
        }
        Ok(())
    }

    /// The messages that need a reply of their own: the newest one of each turn, and the last one of each chat.
    fn answered(&self, replies: &BTreeMap<String, Vec<String>>) -> Vec<Question> {
        let last: BTreeMap<&str, &str> = self
            .written
            .iter()
            .map(|message| (&*message.chat, &*message.guid))
            .collect();
        let last: BTreeSet<&str> = last.into_values().collect();
        let needs_reply = |message: &&Question| {
            replies.contains_key(&message.guid) || last.contains(&*message.guid)
        };
        self.written.iter().filter(needs_reply).cloned().collect()
    }

    fn count(&self, is_counted: impl Fn(&str) -> bool) -> usize {
        let guids = self.written.iter().map(|message| &*message.guid);
        guids.filter(|guid| is_counted(guid)).count()
    }
}

fn chat(mac: &mut Mac, n: usize) -> anyhow::Result<WrittenChat> {
    let person = format!("+1555012{n:04}");
    let line = line(n);
    let mut chat = Chat::direct(&*person);
    chat.line = Some(line.clone());
    let rowid = mac.messages.insert_chat(&chat)?;
    let sql = "select guid from chat where ROWID = ?1";
    Ok(WrittenChat {
        rowid,
        guid: mac
            .messages
            .raw()
            .query_row(sql, [rowid], |row| row.get(0))?,
        handle: mac.messages.ensure_handle(&person, "iMessage")?,
        line,
    })
}
