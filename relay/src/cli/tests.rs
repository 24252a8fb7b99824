//! Snapshots of the help texts, of the commented configuration and of `config show`.

use std::path::Path;

use super::*;
use crate::config::{Environment, Values};

fn help(path: &[&str]) -> String {
    let mut command = Cli::command().term_width(100);
    command.build();
    let mut command = &mut command;
    for name in path {
        command = command.find_subcommand_mut(name).expect("a command");
    }
    command.render_long_help().to_string()
}

#[test]
fn claps_checks_accept_the_command_line() {
    Cli::command().debug_assert();
}

#[test]
fn the_help_texts_match_their_snapshots() {
    insta::assert_snapshot!("help", help(&[]));
    insta::assert_snapshot!("help_run", help(&["run"]));
    insta::assert_snapshot!("help_status", help(&["status"]));
    insta::assert_snapshot!("help_ledger", help(&["ledger"]));
    insta::assert_snapshot!("help_move", help(&["move"]));
    insta::assert_snapshot!("help_outbox", help(&["outbox"]));
    insta::assert_snapshot!("help_record", help(&["record"]));
    insta::assert_snapshot!("help_report", help(&["report"]));
}

fn environment() -> Environment {
    [
        ("HOME", "/home/sam"),
        ("ARCHETY_BACKEND_URL", "https://backend.example.com"),
        (
            "RELAY_WEBHOOK_SECRET",
            "never-shown-never-shown-never-shown",
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

#[test]
fn the_commented_configuration_has_every_key() {
    let environment: Environment = [("HOME".to_owned(), "/home/sam".to_owned())].into();
    let values = Values::collect(None, Vec::new(), environment);
    let text = config::template(&values.default_paths);
    assert!(
        text.parse::<toml::Table>()
            .is_ok_and(|table| table.is_empty()),
        "every line is a comment"
    );
    let uncommented: String = text
        .lines()
        .map(|line| {
            line.strip_prefix('#')
                .filter(|rest| !rest.starts_with(' '))
                .unwrap_or(line)
        })
        .fold(String::new(), |text, line| text + line + "\n");
    assert_eq!(
        uncommented.parse::<toml::Table>().expect("TOML").len(),
        crate::config::keys::KEYS.len()
    );
    if cfg!(target_os = "linux") {
        insta::assert_snapshot!("config_init", text);
    }
}

#[test]
fn config_show_has_each_source_and_never_the_secret() {
    let flags = vec![("state_dir", "/state".to_owned())];
    let values = Values::collect(None, flags, environment());
    let rows = config::rows(&values);
    let text: Vec<String> = rows.iter().map(|row| row.join(" | ")).collect();
    let text = text.join("\n");
    assert!(!text.contains("never-shown"), "{text}");
    insta::assert_snapshot!("config_show", text);
    assert!(!Path::new("/state").exists(), "no folder is created");
}
