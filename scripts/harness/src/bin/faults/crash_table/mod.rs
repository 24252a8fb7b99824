//! The crash table: a program is killed at each durable step while replies flow.

mod points;
mod run;

use std::num::NonZeroUsize;
use std::sync::Mutex;

use anyhow::bail;
use archety_harness::{BackendStore, Binaries, FASTER};
use archety_relay::dispatch::SendLimits;
use clap::Args;

use crate::postgres::Cluster;
use points::{Point, Victim};
use run::{Load, RowResult};

/// Kill relay, backend and stand-in at each durable step while replies flow
#[derive(Args)]
pub(crate) struct Arguments {
    /// The points to strike, such as `dispatched`; all if absent
    points: Vec<String>,
    /// How many replies flow in each row
    #[arg(long, default_value_t = 200)]
    replies: usize,
    /// How many rows run at the same time
    #[arg(long, default_value = "3")]
    at_once: NonZeroUsize,
    /// A Postgres server on which the rows of the backend run, too, as the URL of a superuser
    #[arg(long)]
    postgres: Option<String>,
    /// One row with few replies, in which backend and relay are killed once at each of their points
    #[arg(long, conflicts_with_all = ["points", "replies"])]
    brief: bool,
    /// List the points and run nothing
    #[arg(long)]
    list: bool,
}

/// How many replies a chat gets. The backend pauses a chat with more than eight within five minutes.
const REPLIES_IN_A_CHAT: usize = 4;
/// The load of a brief table. Turns that a killed backend had taken are only free again after 20 seconds, so each chat
/// asks once.
const BRIEF: Load = Load {
    replies: 48,
    chats: 48,
    per_second: 8,
};

/// A row: a point and the store of the backend.
struct Row {
    point: Point,
    store: StoreKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StoreKind {
    Sqlite,
    Postgres,
}

/// Prints the table. Returns whether every row is as it should be.
pub(crate) fn show(arguments: &Arguments) -> anyhow::Result<bool> {
    let rows = rows(arguments)?;
    if arguments.list {
        for row in rows {
            println!(
                "{:<22} {:<9} {}",
                row.point.name,
                row.point.victim.name(),
                row.point.when
            );
        }
        return Ok(true);
    }
    let binaries = Binaries::beside_this_program()?.with_faster_relay()?;
    let cluster = arguments
        .postgres
        .as_deref()
        .map(|url| Cluster::prepare(&binaries, url))
        .transpose()?;
    let load = if arguments.brief {
        BRIEF
    } else {
        Load {
            replies: arguments.replies,
            chats: arguments.replies.div_ceil(REPLIES_IN_A_CHAT),
            per_second: 20,
        }
    };
    print_heading(load, arguments.at_once.get());
    let queue = Mutex::new(rows.iter().enumerate().collect::<Vec<_>>().into_iter());
    let failed = Mutex::new(0_usize);
    std::thread::scope(|scope| {
        for _ in 0..arguments.at_once.get() {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().ok().and_then(|mut queue| queue.next());
                    let Some((number, row)) = next else { return };
                    eprintln!(
                        "[{}/{}] {} on {} …",
                        number + 1,
                        rows.len(),
                        row.point.name,
                        row.store.name()
                    );
                    let ran = store_of(row, number, cluster.as_ref())
                        .and_then(|store| run::run(&binaries, &row.point, store, load));
                    if !print_row(row, ran)
                        && let Ok(mut failed) = failed.lock()
                    {
                        *failed += 1;
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or(usize::MAX);
    if failed == 0 {
        println!(
            "\nevery bubble was seen once or is listed, in order, in {} rows",
            rows.len()
        );
    } else {
        println!("\n{failed} of {} rows FAILED", rows.len());
    }
    Ok(failed == 0)
}

fn rows(arguments: &Arguments) -> anyhow::Result<Vec<Row>> {
    if arguments.brief {
        let (point, store) = (points::brief(), StoreKind::Sqlite);
        return Ok(vec![Row { point, store }]);
    }
    let mut rows = Vec::new();
    let is_chosen = |point: &Point| {
        arguments.points.is_empty() || arguments.points.iter().any(|it| it == point.name)
    };
    for point in points::all().into_iter().filter(is_chosen) {
        if arguments.postgres.is_some() && matches!(point.victim, Victim::Backend | Victim::Both) {
            let point = point.clone();
            rows.push(Row {
                point,
                store: StoreKind::Postgres,
            });
        }
        rows.push(Row {
            point,
            store: StoreKind::Sqlite,
        });
    }
    for name in &arguments.points {
        if rows.iter().all(|row| row.point.name != name) {
            bail!("there is no point {name}; `crash-table --list` lists them");
        }
    }
    Ok(rows)
}

impl StoreKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "Postgres",
        }
    }
}

fn store_of(
    row: &Row,
    number: usize,
    cluster: Option<&Cluster>,
) -> anyhow::Result<Option<BackendStore>> {
    match (row.store, cluster) {
        (StoreKind::Postgres, Some(cluster)) => {
            Ok(Some(cluster.database(&format!("row_{number}"))?))
        }
        _ => Ok(None),
    }
}

fn print_heading(load: Load, at_once: usize) {
    let limits = SendLimits::default().faster(FASTER);
    println!(
        "{} replies of 1 to 5 bubbles in each row, in {} chats, every mode of the stand-in mixed in; at most {at_once} \
         rows at once",
        load.replies, load.chats
    );
    println!(
        "times of sending divided by {FASTER}: script time-out {:?}, row within {:?}, stop after failures {:?}, \
         pause after a try {:?}, limits of a line {}\n",
        limits.script_timeout,
        limits.row_within,
        limits.stop_for,
        limits.retry_after,
        limits
            .texts
            .iter()
            .map(|rate| format!("{} in {:?}", rate.count, rate.window))
            .collect::<Vec<_>>()
            .join(", ")
    );
    println!(
        "{:<22} {:<9} {:<8} {:>6} {:>7} {:>7} {:>6} {:>7} {:>6} {:>7} {:>5} {:>7} {:>6} {:>5}  verdict",
        "killed",
        "program",
        "store",
        "struck",
        "replies",
        "bubbles",
        "seen",
        "unknown",
        "failed",
        "waiting",
        "lost",
        "doubled",
        "order",
        "secs"
    );
}

/// Prints a row and its faults. Returns whether it is as it should be.
fn print_row(row: &Row, ran: anyhow::Result<RowResult>) -> bool {
    let (point, store) = (&row.point, row.store.name());
    let result = match ran {
        Ok(result) => result,
        Err(error) => {
            println!(
                "{:<22} {:<9} {store:<8} FAILED: {error:#}",
                point.name,
                point.victim.name()
            );
            return false;
        }
    };
    let tally = &result.tally;
    let verdict = match (result.is_ok(), result.struck < result.planned) {
        (true, _) => "ok".to_owned(),
        (false, true) => format!(
            "FAILED: struck {} of {} times",
            result.struck, result.planned
        ),
        (false, false) => "FAILED".to_owned(),
    };
    println!(
        "{:<22} {:<9} {store:<8} {:>6} {:>7} {:>7} {:>6} {:>7} {:>6} {:>7} {:>5} {:>7} {:>6} {:>5.0}  {verdict}",
        point.name,
        point.victim.name(),
        result.struck,
        tally.replies,
        tally.bubbles,
        tally.seen,
        tally.unknown,
        tally.failed,
        tally.waiting,
        tally.lost,
        tally.doubled,
        tally.out_of_order,
        result.took.as_secs_f64()
    );
    for fault in tally.described_faults().lines() {
        println!("    {fault}");
    }
    result.is_ok()
}
