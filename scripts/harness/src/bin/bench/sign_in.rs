//! What the backend adds to a sign-in at Supabase.
//!
//! The provider is a stand-in that takes as long for a password as one bcrypt does. What its calls take
//! by themselves is measured by making them: an account and a grant for a first sign-in, a grant for a
//! later one. The rest of `POST /auth/verify/confirm` is ours.

use std::time::{Duration, Instant};

use anyhow::ensure;
use archety_harness::{Backend, BackendStore, Binaries, Spread};
use serde_json::{Value, json};
use supabase_stand_in::{Settings, StandIn};

use crate::people::{Door, borrowed, environment, person};
use crate::{Bench, figure};

const PEOPLE: u32 = 100;
/// From here on, the numbers of people who have an account at the stand-in and never sign in to the backend.
const OTHERS: u32 = 1_000_000;
/// One grant of the real server: 37 in a second on one core.
const BCRYPT: Duration = Duration::from_millis(27);
const TARGET: &str = "<= 5 ms added (median)";

pub(crate) fn measure(binaries: &Binaries, postgres: Option<&str>) -> anyhow::Result<()> {
    let bench = Bench::new(0)?;
    let sqlite = BackendStore::Sqlite(bench.database());
    run(binaries, &bench, &sqlite, "SQLite")?;
    if let Some(url) = postgres {
        // A database remembers who issues its people's tokens, so this is another one.
        let store = BackendStore::Postgres(format!("{url}_supabase"));
        return run(binaries, &bench, &store, "Postgres");
    }
    figure(
        "sign-in with Supabase on Postgres",
        "not measured: no --postgres",
        TARGET,
    );
    Ok(())
}

fn run(binaries: &Binaries, bench: &Bench, store: &BackendStore, name: &str) -> anyhow::Result<()> {
    // The stand-in answers on threads of its own while the backend is started.
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
    let backend = Backend::start(
        binaries,
        store,
        &bench.secret,
        0,
        &borrowed(&environment),
        &bench.path("sign-in.log"),
    )?;
    runtime.block_on(async {
        let calls = Calls::of(&stand_in)?;
        let door = Door::of(&backend)?;
        for is_first in [true, false] {
            let kind = if is_first { "first" } else { "later" };
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            let mut made = Vec::new();
            // In turns: a machine that is busier for a moment is so for both.
            for n in 0..PEOPLE {
                theirs.push(calls.make(OTHERS + n, is_first).await?);
                stand_in.requests().clear();
                ours.push(door.enter(n).await?.took);
                made = stand_in.requests().all();
            }
            let made: Vec<String> = made.iter().map(call).collect();
            let (ours, theirs) = (Spread::of(ours), Spread::of(theirs));
            let ms = |spread: &Spread| spread.percentile(50).as_secs_f64() * 1e3;
            figure(
                &format!(
                    "{kind} sign-in with Supabase on {name}: {}",
                    made.join(", ")
                ),
                &format!(
                    "{:.1} ms added ({:.1} - {:.1})",
                    ms(&ours) - ms(&theirs),
                    ms(&ours),
                    ms(&theirs)
                ),
                TARGET,
            );
        }
        anyhow::Ok(())
    })
}

/// A call as a person would name it.
fn call(seen: &supabase_stand_in::Seen) -> String {
    match seen.line().replace("/auth/v1", "").as_str() {
        "POST /admin/users" => "create".to_owned(),
        "POST /token?grant_type=password" => "grant".to_owned(),
        other => other.to_owned(),
    }
}

/// The provider's own calls, made without us.
struct Calls {
    http: reqwest::Client,
    url: String,
    key: String,
}

impl Calls {
    fn of(stand_in: &StandIn) -> anyhow::Result<Self> {
        Ok(Self {
            http: reqwest::Client::builder().no_proxy().build()?,
            url: format!("{}/auth/v1", stand_in.hosted_url()),
            key: stand_in.service_key().to_owned(),
        })
    }

    /// How long a sign-in takes that is nothing but calls.
    async fn make(&self, n: u32, is_first: bool) -> anyhow::Result<Duration> {
        let credentials = json!({ "phone": person(n), "password": "p".repeat(44) });
        let mut account = credentials.clone();
        account["phone_confirm"] = Value::Bool(true);
        let begun = Instant::now();
        if is_first {
            self.ask("/admin/users", &account).await?;
        }
        self.ask("/token?grant_type=password", &credentials).await?;
        Ok(begun.elapsed())
    }

    async fn ask(&self, path: &str, body: &Value) -> anyhow::Result<()> {
        let request = self.http.post(format!("{}{path}", self.url)).json(body);
        let request = request.header("apikey", &self.key).bearer_auth(&self.key);
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        ensure!(status.is_success(), "POST {path}: {status} {text}");
        Ok(())
    }
}
