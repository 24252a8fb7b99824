//! The rate of `GET /auth/session` and `GET /user/profile` for signed-in users on 16 connections.

use archety_harness::{Backend, BackendStore, Binaries, resident_kib};

use crate::intake;
use crate::keep_alive::{CONNECTIONS, Load};
use crate::people::{SignInClient, as_pairs, environment};
use crate::{Bench, on_each_store, print_figure};

/// Users who take turns, so that the connections rarely ask for the same user at once.
const PEOPLE: u32 = 64;
/// Number of measurements of a route; the printed figure is their median.
const ROUNDS: usize = 5;

/// A measured route, with the number of requests and the targets.
struct Route {
    path: &'static str,
    /// A text that the body of a correct answer contains.
    expected_text: &'static str,
    requests: usize,
    target_on_sqlite: &'static str,
    target_on_postgres: &'static str,
}

pub(crate) fn measure_session(binaries: &Binaries, postgres: Option<&str>) -> anyhow::Result<()> {
    let route = Route {
        path: "/auth/session",
        expected_text: "\"authenticated\":true",
        requests: 60_000,
        target_on_sqlite: ">= 18,000/s",
        target_on_postgres: ">= 18,000/s",
    };
    measure(binaries, postgres, &route)
}

/// Measures `GET /user/profile`. On Postgres its statements run under row-level security.
pub(crate) fn measure_profile(binaries: &Binaries, postgres: Option<&str>) -> anyhow::Result<()> {
    let route = Route {
        path: "/user/profile",
        // A profile has this field only if the person has written messages; the query for them is measured, too.
        expected_text: "\"message_count\":",
        requests: 30_000,
        target_on_sqlite: "none",
        target_on_postgres: ">= 9,000/s",
    };
    measure(binaries, postgres, &route)
}

fn measure(binaries: &Binaries, postgres: Option<&str>, route: &Route) -> anyhow::Result<()> {
    let bench = Bench::new(0)?;
    on_each_store(
        &bench,
        postgres.map(str::to_owned),
        &format!("GET {} on Postgres", route.path),
        route.target_on_postgres,
        |store, name| run(binaries, &bench, store, name, route),
    )
}

fn run(
    binaries: &Binaries,
    bench: &Bench,
    store: &BackendStore,
    name: &str,
    route: &Route,
) -> anyhow::Result<()> {
    let environment = environment(PEOPLE);
    let backend = bench.start_backend_on(store, binaries, 0, &as_pairs(&environment))?;
    // Each user has written one message, so that each profile has the fields about messages.
    let messages = intake::requests(&bench.secret.0, PEOPLE)?;
    intake::load(&backend, messages).measure_rate_of_all()?;
    let requests = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(signed_in_requests(&backend, route.path))?;
    let load = Load::new(&backend, requests, route.expected_text);
    let mut rates = (0..ROUNDS)
        .map(|_| load.measure_rate(route.requests))
        .collect::<anyhow::Result<Vec<_>>>()?;
    rates.sort_by(f64::total_cmp);
    let mib = resident_kib(backend.process.pid()).unwrap_or(0) / 1024;
    print_figure(
        &format!("GET {} on {name}, {CONNECTIONS} connections", route.path),
        &format!(
            "{:.0}/s ({:.0} to {:.0}), RSS {mib} MiB",
            rates[ROUNDS / 2],
            rates[0],
            rates[ROUNDS - 1]
        ),
        match store {
            BackendStore::Sqlite(_) => route.target_on_sqlite,
            BackendStore::Postgres(_) => route.target_on_postgres,
        },
    );
    Ok(())
}

/// Signs each user in and builds one request per user, with the user's access token.
async fn signed_in_requests(backend: &Backend, path: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let client = SignInClient::of(backend)?;
    let mut requests = Vec::new();
    for n in 0..PEOPLE {
        let token = client.sign_in(n).await?.access_token;
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: bench\r\naccept: application/json\r\n\
             authorization: Bearer {token}\r\n\r\n"
        );
        requests.push(request.into_bytes());
    }
    Ok(requests)
}
