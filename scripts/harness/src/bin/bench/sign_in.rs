//! The time that the backend adds to Supabase's own calls at a sign-in.
//!
//! Supabase is a stand-in that takes as long to check a password as one bcrypt does. A first sign-in
//! creates an account and gets a password grant; a later one gets a password grant. These calls are also made without
//! the backend and timed; the backend's share of `POST /auth/verify/confirm` is the difference.

use std::time::{Duration, Instant};

use anyhow::ensure;
use archety_harness::{BackendStore, Binaries, Percentiles};
use serde_json::{Value, json};
use supabase_stand_in::{Settings, StandIn};

use crate::people::{SignInClient, as_pairs, environment, phone_number};
use crate::{Bench, database_of, on_each_store, print_figure};

const PEOPLE: u32 = 100;
/// The number of the first user who signs in at the stand-in only, never at the backend.
const FIRST_DIRECT_USER: u32 = 1_000_000;
/// Duration of one password check: the real server makes 37 password grants a second on one core.
const BCRYPT: Duration = Duration::from_millis(27);
const TARGET: &str = "<= 5 ms added (median)";

pub(crate) fn measure(binaries: &Binaries, postgres: Option<&str>) -> anyhow::Result<()> {
    let bench = Bench::new(0)?;
    on_each_store(
        &bench,
        // A second database, because a database stays bound to the issuer of its first tokens.
        database_of(postgres, "supabase"),
        "sign-in with Supabase on Postgres",
        TARGET,
        |store, name| run(binaries, &bench, store, name),
    )
}

fn run(binaries: &Binaries, bench: &Bench, store: &BackendStore, name: &str) -> anyhow::Result<()> {
    // A multi-threaded runtime, so that the stand-in answers while `Backend::start` blocks this thread.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let stand_in = runtime.block_on(StandIn::start(Settings {
        grant_delay: BCRYPT,
        ..Settings::default()
    }))?;
    let mut environment = environment(PEOPLE);
    environment.extend([
        ("IDENTITY", "supabase".to_owned()),
        ("SUPABASE_URL", stand_in.hosted_url()),
        ("SUPABASE_ANON_KEY", stand_in.anon_key().to_owned()),
        ("SUPABASE_SERVICE_KEY", stand_in.service_key().to_owned()),
        ("SUPABASE_PASSWORD_KEYS", "p".repeat(44)),
        ("OTP_PROVIDER", "console".to_owned()),
    ]);
    let backend = bench.start_backend_on(store, binaries, 0, &as_pairs(&environment))?;
    runtime.block_on(async {
        let supabase = SupabaseClient::of(&stand_in)?;
        let client = SignInClient::of(&backend)?;
        for is_first in [true, false] {
            let kind = if is_first { "first" } else { "later" };
            let (mut with_backend, mut without) = (Vec::new(), Vec::new());
            let mut calls = Vec::new();
            // Sign-ins with and without the backend alternate, so that load on the machine slows down both alike.
            for n in 0..PEOPLE {
                without.push(supabase.sign_in(FIRST_DIRECT_USER + n, is_first).await?);
                stand_in.requests().clear();
                with_backend.push(client.sign_in(n).await?.took);
                calls = stand_in.requests().all();
            }
            let calls: Vec<String> = calls.iter().map(call_name).collect();
            let ms =
                |times: Vec<Duration>| Percentiles::of(times).percentile(50).as_secs_f64() * 1e3;
            let (with_backend, without) = (ms(with_backend), ms(without));
            print_figure(
                &format!(
                    "{kind} sign-in with Supabase on {name}: {}",
                    calls.join(", ")
                ),
                &format!(
                    "{:.1} ms added ({:.1} - {:.1})",
                    with_backend - without,
                    with_backend,
                    without
                ),
                TARGET,
            );
        }
        anyhow::Ok(())
    })
}

/// A short name of a call to Supabase.
fn call_name(request: &supabase_stand_in::LoggedRequest) -> String {
    match request.line().replace("/auth/v1", "").as_str() {
        "POST /admin/users" => "create".to_owned(),
        "POST /token?grant_type=password" => "grant".to_owned(),
        other => other.to_owned(),
    }
}

/// Makes the backend's calls to Supabase without the backend.
struct SupabaseClient {
    http: reqwest::Client,
    url: String,
    key: String,
}

impl SupabaseClient {
    fn of(stand_in: &StandIn) -> anyhow::Result<Self> {
        Ok(Self {
            http: reqwest::Client::builder().no_proxy().build()?,
            url: format!("{}/auth/v1", stand_in.hosted_url()),
            key: stand_in.service_key().to_owned(),
        })
    }

    /// Signs user `n` in at the stand-in and returns how long the calls took. A first sign-in also creates the account.
    async fn sign_in(&self, n: u32, is_first: bool) -> anyhow::Result<Duration> {
        let credentials = json!({ "phone": phone_number(n), "password": "p".repeat(44) });
        let mut account = credentials.clone();
        account["phone_confirm"] = Value::Bool(true);
        let begun = Instant::now();
        if is_first {
            self.post("/admin/users", &account).await?;
        }
        self.post("/token?grant_type=password", &credentials)
            .await?;
        Ok(begun.elapsed())
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        let request = self.http.post(format!("{}{path}", self.url)).json(body);
        let request = request.header("apikey", &self.key).bearer_auth(&self.key);
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success(), "POST {path}: {status} {text}");
        Ok(())
    }
}
