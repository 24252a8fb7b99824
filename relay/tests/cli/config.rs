//! `config`, and what a command does without one.

use super::*;

#[test]
fn show_tells_each_value_and_its_source_and_never_the_secret() {
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
fn what_init_prints_can_be_used_as_it_is() {
    let home = Home::new();
    let text = home.relay(&["config", "init"]).ends_with(0).to_owned();
    std::fs::write(home.path("config.toml"), text).expect("written");
    home.relay(&["config", "show", "--config", "config.toml"])
        .ends_with(0);
}

#[test]
fn every_problem_is_told_at_once() {
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
fn a_plain_address_elsewhere_is_refused_before_anything_starts() {
    let home = Home::new();
    let run = home.relay(&["run", "--backend-url", "http://backend.example.com"]);
    run.ends_with(78);
    run.complains_of("https://");
    assert!(!home.path("state").exists());
}

#[test]
fn a_wrong_command_line_is_told_apart() {
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
}
