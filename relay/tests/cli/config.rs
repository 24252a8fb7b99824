//! `config`, and the errors of a missing or wrong configuration.

use super::*;

#[test]
fn show_prints_each_value_and_its_source_and_never_the_secret() {
    let home = Home::new();
    let run = home.relay(&["config", "show", "--relay-name", "mini"]);
    let out = run.ends_with(0);
    for expected in [
        "relay_name            mini",
        "http://127.0.0.1:9",
        "ARCHETY_BACKEND_URL",
        "(set, not shown)",
        "flag",
    ] {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            squeezed(out).contains(&squeezed(expected)),
            "{expected}: {out}"
        );
    }
    assert!(!run.out.contains(home::SECRET) && !run.err.contains(home::SECRET));
    assert!(!home.path("state").exists(), "showing makes nothing");
}

#[test]
fn the_output_of_init_is_a_valid_configuration() {
    let home = Home::new();
    let text = home.relay(&["config", "init"]).ends_with(0).to_owned();
    std::fs::write(home.path("config.toml"), text).expect("written");
    home.relay(&["config", "show", "--config", "config.toml"])
        .ends_with(0);
}

/// The commands that `--help` recommends as first steps.
#[test]
fn the_file_that_init_writes_is_read_and_never_overwritten() {
    let home = Home::new();
    let bare =
        |args: &[&str]| -> Run { home.bare_command(args).output().expect("it starts").into() };
    let written = home.path(".config/archety-relay/config.toml");
    let first = bare(&["config", "init", "--write"]);
    first.ends_with(0);
    first.complains_of(&written.display().to_string());
    std::fs::write(&written, "relay_name = \"mine\"\n").expect("filled in");
    let again = bare(&["config", "init", "--write"]);
    again.ends_with(1);
    again.complains_of("exists already");
    assert!(bare(&["config", "show"]).out.contains("mine"));
    let named = bare(&["config", "init", "--write", "--config", "below/mine.toml"]);
    named.ends_with(0);
    assert!(home.path("below/mine.toml").is_file());
}

#[test]
fn without_a_configuration_the_error_names_the_expected_path() {
    let home = Home::new();
    let bare =
        |args: &[&str]| -> Run { home.bare_command(args).output().expect("it starts").into() };
    let run = bare(&["run"]);
    run.ends_with(78);
    run.complains_of(
        &home
            .path(".config/archety-relay/config.toml")
            .display()
            .to_string(),
    );
    run.complains_of("config init --write");
    // A file like that of `config init > config.toml`.
    std::fs::write(home.path("config.toml"), "").expect("written");
    let run = bare(&["run"]);
    run.ends_with(78);
    run.complains_of("config.toml in this folder is not read");
    run.complains_of("--config");
    let named = bare(&["run", "--config", "config.toml"]);
    assert!(!named.err.contains("is not read"), "{named:?}");
}

#[test]
fn an_unknown_variable_is_refused_and_the_nearest_setting_is_named() {
    let home = Home::new();
    let run = home
        .command(&["config", "show"])
        .env("ARCHETY_BACKEND_ULR", "http://127.0.0.1:9")
        .output()
        .expect("it starts");
    let run = Run::from(run);
    run.ends_with(78);
    run.complains_of("ARCHETY_BACKEND_ULR");
    run.complains_of("ARCHETY_BACKEND_URL is the nearest");
}

#[test]
fn all_problems_are_reported_at_once() {
    let home = Home::new();
    let args = ["run", "--auth", "basic", "--log", "loud"];
    let run: Run = home.bare_command(&args).output().expect("it starts").into();
    run.ends_with(78);
    for key in ["backend_url", "auth", "log", "RELAY_WEBHOOK_SECRET"] {
        run.complains_of(key);
    }
    run.complains_of("4 problems");
}

#[test]
fn plain_http_to_another_machine_is_refused_before_the_relay_starts() {
    let home = Home::new();
    let run = home.relay(&["run", "--backend-url", "http://backend.example.com"]);
    run.ends_with(78);
    run.complains_of("https://");
    assert!(!home.path("state").exists());
}

#[test]
fn a_wrong_command_line_has_an_exit_code_of_its_own() {
    let home = Home::new();
    home.relay(&["outbox", "retry"]).ends_with(2);
    home.relay(&["no-such-command"]).ends_with(2);
    home.relay(&["run", "--since", "yesterday"]).ends_with(2);
}

#[test]
fn completions_are_a_script() {
    let home = Home::new();
    let run = home.relay(&["completions", "bash"]);
    assert!(run.ends_with(0).contains("complete -F"), "{run:?}");
    assert!(run.out.contains("quarantine"));
    assert!(run.out.split_whitespace().all(|word| word != "replay"));
}
