//! What signed-in people read: `GET /auth/session` and `GET /user/profile`, 16 connections.

use archety_harness::{Backend, BackendStore, Binaries, resident_kib};

use crate::intake;
use crate::keep_alive::{CONNECTIONS, Load};
use crate::people::{Door, borrowed, environment};
use crate::{Bench, figure};

/// Enough for no two connections to ask for the same person all the time.
const PEOPLE: u32 = 64;
const ROUNDS: usize = 5;

/// A route, and what it is measured by.
struct Route {
    path: &'static str,
    /// A word of the right answer.
    proof: &'static str,
    requests: usize,
    on_sqlite: &'static str,
    on_postgres: &'static str,
}

pub(crate) fn session(binaries: &Binaries, postgres: Option<&str>) -> anyhow::Result<()> {
    let route = Route {
        path: "/auth/session",
        proof: "\"authenticated\":true",
        requests: 60_000,
        on_sqlite: ">= 18,000/s",
        on_postgres: ">= 18,000/s",
    };
    measure(binaries, postgres, &route)
}

/// The route runs under row-level security where the database has it.
pub(crate) fn profile(binaries: &Binaries, postgres: Option<&str>) -> anyhow::Result<()> {
    let route = Route {
        path: "/user/profile",
        // Of the relationship: the statement that finds it is a part of what is measured.
        proof: "\"message_count\":",
        requests: 30_000,
        on_sqlite: "none",
        on_postgres: ">= 9,000/s",
    };
    measure(binaries, postgres, &route)
}

fn measure(binaries: &Binaries, postgres: Option<&str>, route: &Route) -> anyhow::Result<()> {
    let bench = Bench::new(0)?;
    let sqlite = BackendStore::Sqlite(bench.database());
    run(binaries, &bench, &sqlite, "SQLite", route, route.on_sqlite)?;
    if let Some(url) = postgres {
        let store = BackendStore::Postgres(url.to_owned());
        return run(
            binaries,
            &bench,
            &store,
            "Postgres",
            route,
            route.on_postgres,
        );
    }
    figure(
        &format!("GET {} on Postgres", route.path),
        "not measured: no --postgres",
        route.on_postgres,
    );
    Ok(())
}

fn run(
    binaries: &Binaries,
    bench: &Bench,
    store: &BackendStore,
    name: &str,
    route: &Route,
    target: &str,
) -> anyhow::Result<()> {
    let environment = environment(PEOPLE);
    let backend = Backend::start(
        binaries,
        store,
        &bench.secret,
        0,
        &borrowed(&environment),
        &bench.path("reading.log"),
    )?;
    // A message from each, so that there is something to tell.
    let messages = intake::requests(&bench.secret.0, PEOPLE)?;
    intake::load(&backend, messages).rate_of_all()?;
    let requests = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(requests(&backend, route.path))?;
    let load = Load::new(&backend, requests, route.proof);
    let mut rates = (0..ROUNDS)
        .map(|_| load.rate(route.requests))
        .collect::<anyhow::Result<Vec<_>>>()?;
    rates.sort_by(f64::total_cmp);
    let mib = resident_kib(backend.pid()).unwrap_or(0) / 1024;
    figure(
        &format!("GET {} on {name}, {CONNECTIONS} connections", route.path),
        &format!(
            "{:.0}/s ({:.0} to {:.0}), RSS {mib} MiB",
            rates[ROUNDS / 2],
            rates[0],
            rates[ROUNDS - 1]
        ),
        target,
    );
    Ok(())
}

/// One request for each person.
async fn requests(backend: &Backend, path: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let door = Door::of(backend)?;
    let mut requests = Vec::new();
    for n in 0..PEOPLE {
        let token = door.enter(n).await?.access_token;
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: bench\r\naccept: application/json\r\n\
             authorization: Bearer {token}\r\n\r\n"
        );
        requests.push(request.into_bytes());
    }
    Ok(requests)
}
