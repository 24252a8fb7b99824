//! The commands of `archety-backend`, run as a program: their output and exit codes.

mod connect;
mod development;
mod migrate;
mod replies;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use shared_protocol::{RelaySecret, RelaySecrets};
use test_process::{Run, Running, Signal};

use crate::support::TestDatabase;

/// A secret that production accepts.
const STRONG_SECRET: &str = "8f5a9a6a7b80e67fc184bd0cb9069e420dae72ab2693c906ea078864ee7762d8";

const RELAY_SECRET: &str = "b0325f9c29ab874fbe5c236c8fd76dd49a696fac3c72af33311cdee85730c2f5";

/// A command that runs the binary in `folder`, with only `variables` in its environment.
pub(crate) fn backend(folder: &Path, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_archety-backend"));
    command
        .current_dir(folder)
        .env_clear()
        .envs(variables.iter().copied());
    command
}

/// Runs the binary in `folder` until it exits.
pub(crate) fn run_in(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Run {
    Run::of(backend(folder, variables).args(arguments))
}

/// Runs the binary in a new folder until it exits.
fn run_in_new_folder(arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let folder = tempfile::tempdir().expect("a temporary folder");
    run_in(folder.path(), variables, arguments)
}

/// A running `serve`, killed if the test ends early. It logs to the file `log` in its folder.
pub(crate) struct Serving {
    running: Running,
    pub(crate) address: String,
}

impl Serving {
    pub(crate) fn start(folder: &Path, variables: &[(&str, &str)]) -> Self {
        let log = std::fs::File::create(folder.join("log")).expect("a file");
        let mut command = backend(folder, variables);
        command
            .env("PORT", "0")
            .arg("serve")
            .stdout(Stdio::piped())
            .stderr(log);
        let mut running = Running::start(&mut command).expect("the binary runs");
        running.wait_for("listening on");
        let line = running.log().trim();
        let address = line.strip_prefix("listening on http://").expect("one line");
        let address = address.to_owned();
        Self { running, address }
    }

    /// Sends SIGTERM and returns the exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        self.running.signal(Signal::TERM).expect("sent");
        let code = self.running.wait(Duration::from_secs(10));
        code.expect("the process stops")
    }
}

#[test]
fn help_texts_have_not_changed_and_an_unknown_command_exits_with_2() {
    let pages: Vec<String> = [
        &["--help"][..],
        &["serve", "--help"],
        &["migrate", "--help"],
        &["check", "--help"],
        &["secret", "new", "--help"],
        &["keys", "rotate", "--help"],
        &["relay", "list", "--help"],
        &["identity", "switch", "--help"],
        &["identity", "former", "--help"],
        &["identity", "finish-former", "--help"],
    ]
    .iter()
    .map(|arguments| {
        let run = run_in_new_folder(arguments, &[]);
        let page = run.expect_code(0);
        format!("$ archety-backend {}\n{page}", arguments.join(" "))
    })
    .collect();
    insta::assert_snapshot!(pages.join("\n"));
    run_in_new_folder(&["sing"], &[]).expect_code(2);
}

#[test]
fn a_new_secret_is_strong_and_takes_only_a_valid_relay_name() {
    let printed = run_in_new_folder(&["secret", "new"], &[]).out;
    let secret = RelaySecret::parse(printed.trim()).expect("a secret");
    assert!(printed.starts_with("whsec_") && !secret.key().is_weak());
    let printed = run_in_new_folder(&["secret", "new", "--name", "mini-2"], &[]).out;
    let named = RelaySecret::parse(printed.trim()).expect("a secret");
    assert_eq!((named.is_named(), named.relay().as_str()), (true, "mini-2"));
    run_in_new_folder(&["secret", "new", "--name", "Mini 2"], &[]).expect_code(2);
}

#[test]
fn check_shows_the_settings_in_effect_without_secrets() {
    let variables = [
        ("APP_ENV", "development"),
        ("RELAY_WEBHOOK_SECRET", RELAY_SECRET),
        ("DATABASE_URL", "postgres://u:hunter2@db.example.com/a"),
        ("METRICS_TOKEN", "hunter2"),
    ];
    let shown = run_in_new_folder(&["check"], &variables);
    insta::assert_snapshot!(shown.expect_code(0));
    let json = run_in_new_folder(&["check", "--json"], &variables).json();
    assert_eq!(
        (&json["ok"], &json["effective"]["PORT"]),
        (&true.into(), &"8000".into())
    );
    assert!(!json.to_string().contains("hunter2"));
    let supabase = [
        ("APP_ENV", "development"),
        ("SUPABASE_URL", "https://abc.supabase.co"),
        ("SUPABASE_ANON_KEY", "sb_publishable_hunter2"),
        ("SUPABASE_SERVICE_KEY", "sb_secret_hunter2"),
        (
            "SUPABASE_PASSWORD_KEYS",
            "hunter2hunter2hunter2hunter2hunter2",
        ),
        ("RETENTION_SESSIONS_DAYS", "7"),
    ];
    let json = run_in_new_folder(&["check", "--json"], &supabase).json();
    let shown = &json["effective"];
    assert_eq!(shown["SUPABASE_URL"], "https://abc.supabase.co/");
    assert_eq!(shown["SUPABASE_PASSWORD_KEYS"], "*** (1 key(s))");
    assert_eq!(shown["RETENTION_SESSIONS_DAYS"], "7");
    assert!(!json.to_string().contains("hunter2"), "{json}");
}

/// The settings that production needs, except for the database and the relay secrets.
const PRODUCTION: [(&str, &str); 8] = [
    ("PUBLIC_URL", "none"),
    ("APP_ENV", "production"),
    ("TRUSTED_PROXIES", "none"),
    ("IDENTITY", "local"),
    ("SESSION_SECRET", STRONG_SECRET),
    ("TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000000"),
    ("TWILIO_AUTH_TOKEN", "hunter2"),
    (
        "TWILIO_VERIFY_SERVICE_SID",
        "VA00000000000000000000000000000000",
    ),
];

#[test]
fn all_configuration_problems_are_reported_together() {
    let variables = [
        ("APP_ENV", "production"),
        ("PORT", "x"),
        ("RELAY_AUTH", "y"),
    ];
    for command in [&["check"][..], &["serve"], &["migrate"]] {
        let run = run_in_new_folder(command, &variables);
        run.expect_code(78);
        insta::assert_snapshot!("configuration_problems", run.err);
    }
    let run = run_in_new_folder(&["check", "--json"], &variables);
    run.expect_code(78);
    let json = run.json();
    assert_eq!(json["problems"].as_array().map(Vec::len), Some(9));
}

#[test]
fn every_route_is_listed_with_who_may_call_it() {
    let printed = run_in_new_folder(&["routes"], &[]).out;
    insta::assert_snapshot!(printed);
    let json = run_in_new_folder(&["routes", "--json"], &[]).json();
    let lines = printed.lines().count();
    assert_eq!(json.as_array().map(Vec::len), Some(lines));
}

/// Standard output is closed early in, for example, `archety-backend routes | head -1`.
#[test]
fn a_command_whose_output_pipe_is_closed_exits_with_0_and_prints_no_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = backend(folder.path(), &[]);
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let run = Run::of(command.arg("routes").stdout(writer));
    run.expect_code(0);
    assert_eq!(run.err, "");
}

#[test]
fn a_missing_folder_is_reported_once_with_the_databases_path() {
    let url = ("DATABASE_URL", "sqlite://missing/archety.db");
    let run = run_in_new_folder(&["migrate"], &[url]);
    run.expect_code(69);
    assert_eq!(
        run.err,
        "archety-backend: missing/archety.db cannot be opened: \
         No such file or directory (os error 2)\n"
    );
}

#[test]
fn the_env_file_is_ignored_with_app_env_production() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join(".env"), "PORT=1234\n").expect("written");
    let check =
        |variables: &[(&str, &str)]| run_in(folder.path(), variables, &["check", "--json"]).json();
    assert_eq!(check(&[])["effective"]["PORT"], "1234");
    let relay_and_database = [
        ("RELAY_WEBHOOK_SECRET", RELAY_SECRET),
        ("DATABASE_URL", "postgres://db.example.com/a"),
    ];
    let production = [&PRODUCTION[..], &relay_and_database].concat();
    assert_eq!(check(&production)["effective"]["PORT"], "8000");
}

#[test]
fn commands_except_migrate_work_while_a_server_uses_the_sqlite_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut serving = Serving::start(folder.path(), &[]);
    for (arguments, code, expected) in [
        (&["relay", "list"][..], 0, ""),
        (
            &["person", "export", "--phone", "+15550100001"],
            1,
            "no person is known",
        ),
        (&["adoption", "flagged"], 0, "no number is flagged"),
        (
            &["person", "delete", "--phone", "+15550100001", "--yes"],
            0,
            "nothing was deleted",
        ),
        (&["keys", "rotate"], 0, "three minutes"),
        (&["migrate", "--plan"], 0, ""),
        (&["migrate"], 69, "in use by another archety-backend"),
    ] {
        let run = run_in(folder.path(), &[], arguments);
        assert_eq!(run.code, Some(code), "{arguments:?}: {run:?}");
        assert!(run.err.contains(expected), "{arguments:?}: {run:?}");
    }
    assert_eq!(serving.terminate(), Some(0));
}

/// A mistyped path may name a file of another program.
#[test]
fn a_file_that_is_no_database_is_refused_and_unchanged() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = "not a database, but the notes of a person, of more than a hundred bytes so that they are \
                as long as the header of a database file is";
    std::fs::write(folder.path().join("archety.db"), text).expect("written");
    for arguments in [
        &["serve"][..],
        &["migrate"],
        &["migrate", "--plan"],
        &["relay", "list"],
        &["person", "export", "--phone", "+15550100001"],
        &["keys", "rotate"],
        &["identity", "switch", "--yes"],
        &["adoption", "flagged"],
    ] {
        let run = run_in(folder.path(), &[("PORT", "0")], arguments);
        assert_eq!(run.code, Some(69), "{arguments:?}: {run:?}");
        assert!(
            run.err.contains("it is not a SQLite database"),
            "{arguments:?}: {run:?}"
        );
        let files: Vec<_> = std::fs::read_dir(folder.path())
            .expect("a folder")
            .collect();
        assert_eq!(files.len(), 1, "{arguments:?}: {files:?}");
    }
    let kept = std::fs::read_to_string(folder.path().join("archety.db"));
    assert_eq!(kept.expect("kept"), text);
}

#[test]
fn serve_creates_a_relay_secret_refuses_a_second_server_and_stops_on_sigterm() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut serving = Serving::start(folder.path(), &[]);
    // The connection stays open, and does not keep the server from stopping.
    let mut kept_alive = TcpStream::connect(&serving.address).expect("the server listens");
    kept_alive
        .write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("written");
    let mut status = String::new();
    let mut answer = BufReader::new(&kept_alive);
    answer.read_line(&mut status).expect("text");
    assert_eq!(status.trim(), "HTTP/1.1 200 OK");
    // Without a setting for the relay secrets, `serve` creates a secret that only the file's owner can read.
    let file = folder.path().join(".archety-dev-secret");
    let secret = std::fs::read_to_string(&file).expect("made");
    assert!(RelaySecrets::parse(&secret).is_ok());
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let second = run_in(folder.path(), &[("PORT", "0")], &["serve"]);
    assert_eq!(second.code, Some(69), "one server at a time uses the file");
    second.expect_err("in use by another archety-backend");
    assert_eq!(serving.terminate(), Some(0));
    let again = Serving::start(folder.path(), &[]);
    assert_eq!(std::fs::read_to_string(&file).expect("kept"), secret);
    drop(again);
}
