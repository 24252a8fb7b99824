//! `scripts/bench`: measures speed, memory and binary sizes on this machine.
//!
//! Prints one line per figure, with its target. A missed target is no failure, because figures depend
//! on the machine.

mod crowd;
mod drain;
mod idle;
mod intake;
mod keep_alive;
mod latency;
mod people;
mod reading;
mod replies;
mod sign_in;
mod sizes;
mod start;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use archety_harness::{Backend, BackendStore, Binaries, Mac, Relay, Secret};
use clap::{Parser, ValueEnum};
use messages_stand_in::Style;
use replies::ReplyFigure;
use tempfile::TempDir;

/// Measures the figures that the product promises.
#[derive(Parser)]
#[command(name = "bench")]
struct Arguments {
    /// What to measure; everything if absent
    #[arg(value_enum)]
    benchmarks: Vec<Benchmark>,
    /// Which figures of `replies` to measure; all if absent
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FIGURES")]
    only: Vec<ReplyFigure>,
    /// A fresh Postgres database to store into; further ones must exist with `_supabase`, `_turns`, `_handover`,
    /// `_first_bubble`, `_due_turns` and `_held_polls` after its name. Without this option nothing is measured on
    /// Postgres
    #[arg(long)]
    postgres: Option<String>,
    /// Print a port that is free, and nothing else
    #[arg(long)]
    free_port: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Benchmark {
    /// From a commit in chat.db to a message that is durable in the backend
    Latency,
    /// A backlog of many chats, relay to backend
    Drain,
    /// What the relay costs while nothing happens
    Idle,
    /// How the relay starts on a very large chat.db, and what a message costs there
    Start,
    /// Signed messages into the backend, 16 connections
    Intake,
    /// `GET /auth/session` by access token, 16 connections
    Session,
    /// `GET /user/profile`, on Postgres under row-level security, 16 connections
    Profile,
    /// Replies: how soon they reach Messages, and what turns, held polls and the ledger cost
    Replies,
    /// The time that a sign-in takes in addition to its calls to Supabase
    SignIn,
    /// Memory and answer time of the backend while strangers hold connections and send bodies
    Crowd,
    /// Sizes of the binaries, start-up and memory of the backend
    Sizes,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.free_port {
        println!("{}", archety_harness::free_port()?);
        return Ok(());
    }
    let binaries = Binaries::beside_this_program()?;
    if cfg!(debug_assertions) {
        eprintln!("bench: this is a debug build; its figures say little (use scripts/bench)");
    }
    let all = [
        Benchmark::Sizes,
        Benchmark::Crowd,
        Benchmark::Latency,
        Benchmark::Drain,
        Benchmark::Intake,
        Benchmark::Session,
        Benchmark::Profile,
        Benchmark::SignIn,
        Benchmark::Start,
        Benchmark::Replies,
        Benchmark::Idle,
    ];
    let benchmarks = if arguments.benchmarks.is_empty() {
        &all
    } else {
        arguments.benchmarks.as_slice()
    };
    let postgres = arguments.postgres.as_deref();
    for benchmark in benchmarks {
        match benchmark {
            Benchmark::Latency => latency::measure(&binaries)?,
            Benchmark::Drain => drain::measure(&binaries)?,
            Benchmark::Idle => idle::measure(&binaries)?,
            Benchmark::Start => start::measure(&binaries)?,
            Benchmark::Intake => intake::measure(&binaries, postgres)?,
            Benchmark::Session => reading::measure_session(&binaries, postgres)?,
            Benchmark::Profile => reading::measure_profile(&binaries, postgres)?,
            Benchmark::Replies => measure_replies(&arguments.only, &binaries, postgres)?,
            Benchmark::SignIn => sign_in::measure(&binaries, postgres)?,
            Benchmark::Crowd => crowd::measure(&binaries)?,
            Benchmark::Sizes => sizes::measure(&binaries)?,
        }
    }
    Ok(())
}

fn measure_replies(
    only: &[ReplyFigure],
    binaries: &Binaries,
    postgres: Option<&str>,
) -> anyhow::Result<()> {
    let figures = if only.is_empty() {
        ReplyFigure::value_variants()
    } else {
        only
    };
    figures
        .iter()
        .try_for_each(|figure| figure.measure(binaries, postgres))
}

/// Calls `run` with a `SQLite` database and its name, and with the Postgres database of this URL. Without a URL, the
/// line of `postgres_figure` says that it was not measured.
fn on_each_store(
    bench: &Bench,
    postgres_url: Option<String>,
    postgres_figure: &str,
    postgres_target: &str,
    run: impl Fn(&BackendStore, &str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    run(&BackendStore::Sqlite(bench.database()), "SQLite")?;
    match postgres_url {
        Some(url) => run(&BackendStore::Postgres(url), "Postgres")?,
        None => print_figure(
            postgres_figure,
            "not measured: no --postgres",
            postgres_target,
        ),
    }
    Ok(())
}

/// The Postgres database of one figure, in which no other figure has left rows.
fn database_of(postgres_url: Option<&str>, figure: &str) -> Option<String> {
    postgres_url.map(|url| format!("{url}_{figure}"))
}

/// Prints one measured figure beside its target.
fn print_figure(name: &str, measured: &str, target: &str) {
    println!("{name:<58} {measured:<36} target {target}");
}

/// Number of people who write to the owner of the chat.db.
const PEOPLE: u32 = 200;

/// The phone number of one of the [`PEOPLE`]; they take turns as `n` grows.
fn person(n: u32) -> String {
    format!("+1555010{:04}", n % PEOPLE)
}

/// A temporary folder with a chat.db, in which a relay and a backend keep their files.
struct Bench {
    folder: TempDir,
    mac: Mac,
    secret: Secret,
}

impl Bench {
    /// A chat.db with `older` messages, dated before now.
    fn new(older: u32) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("archety-bench-")
            .tempdir()?;
        let mut mac = Mac::create(folder.path(), Style::Sequoia)?;
        if older > 0 {
            let people: Vec<String> = (0..PEOPLE).map(person).collect();
            let people: Vec<&str> = people.iter().map(String::as_str).collect();
            mac.fill(&people, older)?;
            mac.messages.checkpoint()?;
        }
        Ok(Self {
            folder,
            mac,
            secret: Secret::default(),
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn database(&self) -> PathBuf {
        self.path("backend.db")
    }

    fn start_backend(&self, binaries: &Binaries, port: u16) -> anyhow::Result<Backend> {
        self.start_backend_on(&BackendStore::Sqlite(self.database()), binaries, port, &[])
    }

    fn start_backend_on(
        &self,
        store: &BackendStore,
        binaries: &Binaries,
        port: u16,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Backend> {
        let log = self.path("backend.log");
        Backend::start(binaries, store, &self.secret, port, environment, &log)
    }

    /// Starts a relay that posts to `url`, and waits until it reads chat.db.
    fn start_relay(&self, binaries: &Binaries, url: &str) -> anyhow::Result<Relay> {
        let state: &Path = &self.path("relay");
        let log = self.path("relay.log");
        let mut relay = Relay::start(
            binaries,
            self.mac.chat_db(),
            state,
            url,
            &self.secret,
            &[],
            &log,
        )?;
        relay.wait_until_reading(state)?;
        Ok(relay)
    }
}
