//! A recorded scenario, and where the recordings are.
//!
//! They lie beside the project, not in it. A clone without them replays the few trimmed copies in
//! `tests/recorded`, and says so where nobody can miss it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// One file.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Scenario {
    #[serde(rename = "scenario")]
    pub(crate) name: String,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) exchanges: Vec<Exchange>,
    /// Header and claims of every token, by placeholder.
    #[serde(default)]
    pub(crate) tokens: BTreeMap<String, Value>,
    /// Totals of concurrent calls.
    #[serde(default)]
    pub(crate) observed: Vec<Value>,
}

/// A request and its answer.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Exchange {
    pub(crate) name: String,
    pub(crate) request: Request,
    pub(crate) response: Response,
}

/// What was sent.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Option<Value>,
    /// What was sent when it was no JSON, or its size.
    pub(crate) raw_body: Option<String>,
}

/// What came back.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

/// The scenarios to replay, and how many exchanges they must add up to.
pub(crate) struct Recordings {
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) expected: Expected,
}

/// What a complete set of recordings holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) scenarios: usize,
    pub(crate) exchanges: usize,
}

const ALL: Expected = Expected {
    scenarios: 24,
    exchanges: 256,
};
const BUILT_IN: Expected = Expected {
    scenarios: 4,
    exchanges: 22,
};

impl Recordings {
    pub(crate) fn load() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let shared = here.join("../../../shared/fixtures/gotrue");
        if shared.is_dir() {
            return Self {
                scenarios: read_all(&shared),
                expected: ALL,
            };
        }
        // Written past the test runner, which would swallow it when the test passes.
        let warning = format!(
            "\n*** {} is not there: replaying {} trimmed scenarios instead of {} ***\n",
            shared.display(),
            BUILT_IN.scenarios,
            ALL.scenarios
        );
        std::io::stderr().write_all(warning.as_bytes()).unwrap();
        Self {
            scenarios: read_all(&here.join("tests/recorded")),
            expected: BUILT_IN,
        }
    }

    /// The trimmed copies, which must stay good even where nobody needs them.
    pub(crate) fn built_in() -> Self {
        Self {
            scenarios: read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded")),
            expected: BUILT_IN,
        }
    }
}

fn read_all(folder: &Path) -> Vec<Scenario> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        serde_json::from_str(&text)
            .unwrap_or_else(|problem| panic!("{}: {problem}", path.display()))
    };
    paths.iter().map(read).collect()
}

impl Exchange {
    pub(crate) fn is_grant(&self) -> bool {
        self.request.path == "/token?grant_type=password" && self.response.status == 200
    }

    pub(crate) fn is_create(&self) -> bool {
        self.request.method == "POST" && self.request.path == "/admin/users"
    }

    /// A text field of the request's body.
    pub(crate) fn sent(&self, field: &str) -> Option<&str> {
        self.request.body.as_ref()?.get(field)?.as_str()
    }
}
