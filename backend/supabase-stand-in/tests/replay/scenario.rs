//! A recorded scenario, and the folder of the recordings.
//!
//! The recordings lie in a folder beside the repository. If that folder is missing, the few shortened
//! copies in `tests/recorded` are replayed, and a warning is printed.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

/// The contents of one recording file.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Scenario {
    #[serde(rename = "scenario")]
    pub(crate) name: String,
    pub(crate) settings: BTreeMap<String, String>,
    pub(crate) exchanges: Vec<Exchange>,
    /// Header and claims of each token, by placeholder.
    #[serde(default)]
    pub(crate) tokens: BTreeMap<String, Value>,
    /// Recorded totals of concurrent calls.
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

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Option<Value>,
    /// A body that is no JSON, or the size of such a body.
    pub(crate) raw_body: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
}

/// The scenarios to replay, and the totals that a complete replay has.
pub(crate) struct Recordings {
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) expected: Totals,
}

/// Numbers of scenarios and of exchanges.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) scenarios: usize,
    pub(crate) exchanges: usize,
}

const FULL_TOTALS: Totals = Totals {
    scenarios: 24,
    exchanges: 256,
};
const BUILT_IN_TOTALS: Totals = Totals {
    scenarios: 4,
    exchanges: 22,
};

impl Recordings {
    /// The full recordings; if their folder is missing, the shortened copies.
    pub(crate) fn load() -> Self {
        let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let full_recordings = crate_folder.join("../../../shared/fixtures/gotrue");
        if full_recordings.is_dir() {
            return Self {
                scenarios: read_all(&full_recordings),
                expected: FULL_TOTALS,
            };
        }
        // Written to standard error directly: the test runner hides `eprintln!` of a test that passes.
        let warning = format!(
            "\n*** {} is not there: replaying {} trimmed scenarios instead of {} ***\n",
            full_recordings.display(),
            BUILT_IN_TOTALS.scenarios,
            FULL_TOTALS.scenarios
        );
        std::io::stderr().write_all(warning.as_bytes()).unwrap();
        Self {
            scenarios: read_all(&crate_folder.join("tests/recorded")),
            expected: BUILT_IN_TOTALS,
        }
    }

    /// The shortened copies. They are tested even if the full recordings are present.
    pub(crate) fn built_in() -> Self {
        Self {
            scenarios: read_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded")),
            expected: BUILT_IN_TOTALS,
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

/// The key of the totals of parallel refreshes in `observed`.
pub(crate) const PARALLEL_REFRESHES: &str = "10 parallel refreshes with one token";

impl Scenario {
    pub(crate) fn has_parallel_refreshes(&self) -> bool {
        let mut totals = self.observed.iter();
        totals.any(|total| total.get(PARALLEL_REFRESHES).is_some())
    }
}

impl Exchange {
    /// Whether the exchange is a password grant that succeeded.
    pub(crate) fn is_grant(&self) -> bool {
        self.request.path == "/token?grant_type=password" && self.response.status == 200
    }

    /// Whether an admin creates a user, with success or not.
    pub(crate) fn is_create(&self) -> bool {
        self.request.method == "POST" && self.request.path == "/admin/users"
    }

    /// A string field of the request's body.
    pub(crate) fn sent_text(&self, field: &str) -> Option<&str> {
        self.request.body.as_ref()?.get(field)?.as_str()
    }
}
