//! Layers, sources, and every problem at once.

use std::os::unix::fs::PermissionsExt;

use super::*;

const GOOD: &str = "a-secret-of-more-than-twenty-four-bytes";

fn env(pairs: &[(&str, &str)]) -> Environment {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(pair).collect()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    file
}

#[test]
fn flags_beat_variables_beat_the_file_beats_defaults() {
    let file =
        file("relay_name = \"from-file\"\nauth = \"bearer\"\nrelay_spam = true\nlog = \"warn\"\n");
    let environment = env(&[
        ("HOME", "/home/sam"),
        ("ARCHETY_RELAY_NAME", "from-variable"),
        ("ARCHETY_LOG", "error"),
        ("ARCHETY_OWNER_HANDLE", ""),
    ]);
    let flags = vec![("log", "debug".to_owned())];
    let mut problems = ConfigProblems::default();
    let values = Values::collect(Some(file.path()), flags, &environment, &mut problems);
    assert_eq!(problems, ConfigProblems::default());
    let found = |key| {
        values
            .get(key)
            .map(|v| (v.text.as_str(), v.source.to_string()))
    };
    assert_eq!(found("log"), Some(("debug", "flag".into())));
    assert_eq!(
        found("relay_name"),
        Some(("from-variable", "ARCHETY_RELAY_NAME".into()))
    );
    assert_eq!(
        found("auth"),
        Some(("bearer", file.path().display().to_string()))
    );
    assert_eq!(
        found("relay_note_to_self"),
        Some(("false", "default".into()))
    );
    assert_eq!(found("owner_handle"), None, "an empty variable is unset");
    assert_eq!(
        found("chat_db"),
        Some(("/home/sam/Library/Messages/chat.db", "default".into()))
    );
}

#[test]
fn every_problem_is_told_at_once_with_its_key_its_place_and_its_fix() {
    let state_dir = tempfile::tempdir().expect("a folder");
    let file = file(
        "relay_name = \"Not A Name\"\nauth = \"digest\"\nshoe_size = 43\nrelay_spam = \"maybe\"\n",
    );
    let environment = env(&[
        ("ARCHETY_BACKEND_URL", "http://backend.example.com"),
        ("ARCHETY_LOG", "loud"),
        (
            "ARCHETY_STATE_DIR",
            state_dir.path().to_str().expect("UTF-8"),
        ),
    ]);
    let problems = Config::read_with_link(Some(file.path()), Vec::new(), &environment)
        .map(|_| ())
        .expect_err("much is wrong");
    let text = problems
        .to_string()
        .replace(&file.path().display().to_string(), "config.toml")
        .replace(&state_dir.path().display().to_string(), "/state");
    insta::assert_snapshot!(text);
}

#[test]
fn what_is_no_toml_and_what_is_not_there() {
    let broken = file("backend_url = ");
    let problems = Config::read(Some(broken.path()), Vec::new(), &env(&[])).expect_err("broken");
    assert!(problems.to_string().contains("is not TOML"), "{problems}");
    let missing = Path::new("/no/such/config.toml");
    assert!(
        Config::read(Some(missing), Vec::new(), &env(&[])).is_err(),
        "it was named"
    );
    assert!(
        Config::read(None, Vec::new(), &env(&[("HOME", "/nowhere")])).is_ok(),
        "it was not"
    );
}

#[test]
fn the_secret_comes_from_the_variable_or_from_a_private_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let read = |pairs: &[(&str, &str)]| secret::read(&env(pairs), dir.path());
    assert!(matches!(
        read(&[]),
        Err(secret::SecretError::Missing { .. })
    ));
    let path = dir.path().join(secret::SECRET_FILE);
    std::fs::write(&path, format!("{GOOD}\n")).expect("written");
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
    mode(0o640).expect("set");
    let error = read(&[]).map(|_| ()).expect_err("others can read it");
    assert!(error.to_string().contains("chmod 600"), "{error}");
    mode(0o600).expect("set");
    assert_eq!(read(&[]).expect("private").expose_bearer().trim(), GOOD);
    let named = read(&[(secret::SECRET_VARIABLE, &format!("mini:{GOOD}"))]).expect("the variable");
    assert_eq!(named.relay().as_str(), "mini");
    for (bad, what) in [
        (format!("{GOOD},{GOOD}2"), "several secrets"),
        (format!("{GOOD}\n{GOOD}"), "line break"),
        ("whsec_!!!".to_owned(), "base64"),
    ] {
        let error = read(&[(secret::SECRET_VARIABLE, &bad)])
            .map(|_| ())
            .expect_err("refused")
            .to_string();
        assert!(error.contains(what) && !error.contains(GOOD), "{error}");
    }
}

#[test]
fn a_named_secret_tells_the_relays_name_and_contradictions_are_refused() {
    let base = [
        ("ARCHETY_BACKEND_URL", "https://backend.example.com"),
        (
            secret::SECRET_VARIABLE,
            "mini:a-secret-of-more-than-twenty-four-bytes",
        ),
    ];
    let read = |more: &[(&str, &str)]| {
        Config::read_with_link(None, Vec::new(), &env(&[&base, more].concat()))
    };
    let (config, link) = read(&[]).expect("valid");
    assert_eq!(config.relay_name.as_str(), "mini");
    assert_eq!(link.auth, Auth::Hmac);
    let problems = read(&[("ARCHETY_RELAY_NAME", "studio")])
        .map(|_| ())
        .expect_err("two names");
    assert!(
        problems
            .to_string()
            .starts_with("the configuration has 1 problem:\n  relay_name")
    );
}
