//! `config`, and the errors of a missing or wrong configuration.

use super::*;

#[test]
fn show_prints_each_value_and_its_source_and_never_the_secret() {
    let home = Home::new();
    let run = home.relay(&["config", "show", "--relay-name", "mini"]);
    let out = run.expect_code(0);
    for expected in [
        "relay_name            mini",
        "http://127.0.0.1:9",
        "ARCHETY_BACKEND_URL",
        "(set, not shown)",
        "flag",
    ] {
        let single_spaced = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            single_spaced(out).contains(&single_spaced(expected)),
            "{expected}: {out}"
        );
    }
    assert!(!run.out.contains(backend::SECRET) && !run.err.contains(backend::SECRET));
    assert!(!home.path("state").exists(), "no folder is created");
}

#[test]
fn the_output_of_init_is_a_valid_configuration() {
    let home = Home::new();
    let text = home.relay(&["config", "init"]).expect_code(0).to_owned();
    std::fs::write(home.path("config.toml"), text).expect("written");
    home.relay(&["config", "show", "--config", "config.toml"])
        .expect_code(0);
}

/// The commands that `--help` recommends as first steps.
#[test]
fn the_file_that_init_writes_is_read_and_never_overwritten() {
    let home = Home::new();
    let relay_without_config = |args: &[&str]| Run::of(&mut home.bare_command(args));
    let written = home.path(".config/archety-relay/config.toml");
    let first = relay_without_config(&["config", "init", "--write"]);
    first.expect_code(0);
    first.expect_err(&written.display().to_string());
    std::fs::write(&written, "relay_name = \"mine\"\n").expect("filled in");
    let again = relay_without_config(&["config", "init", "--write"]);
    again.expect_code(1);
    again.expect_err("exists already");
    assert!(
        relay_without_config(&["config", "show"])
            .out
            .contains("mine")
    );
    let named = relay_without_config(&["config", "init", "--write", "--config", "below/mine.toml"]);
    named.expect_code(0);
    assert!(home.path("below/mine.toml").is_file());
}

#[test]
fn without_a_configuration_the_error_names_the_expected_path() {
    let home = Home::new();
    let relay_without_config = |args: &[&str]| Run::of(&mut home.bare_command(args));
    let run = relay_without_config(&["run"]);
    run.expect_code(78);
    run.expect_err(
        &home
            .path(".config/archety-relay/config.toml")
            .display()
            .to_string(),
    );
    run.expect_err("config init --write");
    // A file as `config init > config.toml` creates it.
    std::fs::write(home.path("config.toml"), "").expect("written");
    let run = relay_without_config(&["run"]);
    run.expect_code(78);
    run.expect_err("config.toml in this folder is not read");
    run.expect_err("--config");
    let named = relay_without_config(&["run", "--config", "config.toml"]);
    assert!(!named.err.contains("is not read"), "{named:?}");
}

#[test]
fn an_unknown_variable_is_refused_and_the_nearest_setting_is_named() {
    let home = Home::new();
    let mut command = home.command(&["config", "show"]);
    command.env("ARCHETY_BACKEND_ULR", "http://127.0.0.1:9");
    let run = Run::of(&mut command);
    run.expect_code(78);
    run.expect_err("ARCHETY_BACKEND_ULR");
    run.expect_err("ARCHETY_BACKEND_URL is the nearest");
}

#[test]
fn all_problems_are_reported_at_once() {
    let home = Home::new();
    let args = ["run", "--auth", "basic", "--log", "loud"];
    let run = Run::of(&mut home.bare_command(&args));
    run.expect_code(78);
    for key in ["backend_url", "auth", "log", "RELAY_WEBHOOK_SECRET"] {
        run.expect_err(key);
    }
    run.expect_err("4 problems");
}

#[test]
fn plain_http_to_another_machine_is_refused_before_the_relay_starts() {
    let home = Home::new();
    let run = home.relay(&["run", "--backend-url", "http://backend.example.com"]);
    run.expect_code(78);
    run.expect_err("https://");
    assert!(!home.path("state").exists());
}

#[test]
fn a_wrong_command_line_ends_with_code_2() {
    let home = Home::new();
    home.relay(&["outbox", "retry"]).expect_code(2);
    home.relay(&["no-such-command"]).expect_code(2);
    home.relay(&["run", "--since", "yesterday"]).expect_code(2);
}

#[test]
fn completions_are_a_shell_script() {
    let home = Home::new();
    let run = home.relay(&["completions", "bash"]);
    assert!(run.expect_code(0).contains("complete -F"), "{run:?}");
    assert!(run.out.contains("quarantine"));
    assert!(run.out.split_whitespace().all(|word| word != "replay"));
}
