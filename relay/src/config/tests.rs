//! Which source of a value wins, and which values are problems.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

const SECRET: &str = "a-secret-of-more-than-twenty-four-bytes";

fn env(pairs: &[(&str, &str)]) -> Environment {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(pair).collect()
}

fn read(file: Option<&Path>, environment: Environment) -> Result<Config, ConfigProblems> {
    Config::read(Values::collect(file, Vec::new(), environment))
}

fn read_with_backend(
    file: Option<&Path>,
    environment: Environment,
) -> Result<(Config, BackendConfig), ConfigProblems> {
    Config::read_with_backend(Values::collect(file, Vec::new(), environment))
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
    let values = Values::collect(Some(file.path()), flags, environment);
    assert_eq!(values.problems, ConfigProblems::default());
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
fn all_problems_are_reported_at_once_with_key_source_and_fix() {
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
    let problems = read_with_backend(Some(file.path()), environment)
        .map(|_| ())
        .expect_err("much is wrong");
    let text = problems
        .to_string()
        .replace(&file.path().display().to_string(), "config.toml")
        .replace(&state_dir.path().display().to_string(), "/state");
    insta::assert_snapshot!(text);
}

#[test]
fn a_broken_or_missing_named_file_is_a_problem() {
    let broken = file("backend_url = ");
    let problems = read(Some(broken.path()), env(&[])).expect_err("broken");
    assert!(problems.to_string().contains("is not TOML"), "{problems}");
    let missing = Path::new("/no/such/config.toml");
    assert!(
        read(Some(missing), env(&[])).is_err(),
        "a named file must exist"
    );
    assert!(
        read(None, env(&[("HOME", "/nowhere")])).is_ok(),
        "the default file may be missing"
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
    std::fs::write(&path, format!("{SECRET}\n")).expect("written");
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
    mode(0o640).expect("set");
    let error = read(&[]).map(|_| ()).expect_err("others can read it");
    assert!(error.to_string().contains("chmod 600"), "{error}");
    mode(0o600).expect("set");
    assert_eq!(read(&[]).expect("private").expose_bearer().trim(), SECRET);
    let named =
        read(&[(secret::SECRET_VARIABLE, &format!("mini:{SECRET}"))]).expect("the variable");
    assert_eq!(named.relay().as_str(), "mini");
    for (bad, what) in [
        (format!("{SECRET},{SECRET}2"), "several secrets"),
        (format!("{SECRET}\n{SECRET}"), "line break"),
        ("whsec_!!!".to_owned(), "base64"),
    ] {
        let error = read(&[(secret::SECRET_VARIABLE, &bad)])
            .map(|_| ())
            .expect_err("refused")
            .to_string();
        assert!(error.contains(what) && !error.contains(SECRET), "{error}");
    }
}

#[test]
fn a_secret_with_a_name_sets_the_relays_name_and_refuses_another_one() {
    let base = [
        ("ARCHETY_BACKEND_URL", "https://backend.example.com"),
        (
            secret::SECRET_VARIABLE,
            "mini:a-secret-of-more-than-twenty-four-bytes",
        ),
    ];
    let read = |more: &[(&str, &str)]| read_with_backend(None, env(&[&base, more].concat()));
    let (config, backend) = read(&[]).expect("valid");
    assert_eq!(config.relay_name.as_str(), "mini");
    assert_eq!(backend.auth, Auth::Hmac);
    let problems = read(&[("ARCHETY_RELAY_NAME", "studio")])
        .map(|_| ())
        .expect_err("two names");
    assert!(
        problems
            .to_string()
            .starts_with("the configuration has 1 problem:\n  relay_name")
    );
}

fn read_lines(text: &str, variables: &[(&str, &str)]) -> Result<chatdb::Lines, ConfigProblems> {
    let file = file(text);
    read(Some(file.path()), env(variables)).map(|config| config.options.lines)
}

fn addresses_of(lines: &chatdb::Lines) -> Vec<Vec<String>> {
    lines.all().into_iter().map(|line| line.addresses).collect()
}

#[test]
fn lines_are_lists_in_the_file_and_one_text_elsewhere() {
    let in_file = r#"lines = [["+1 (555) 010-0001", "E:Sam@Example.com"], ["tel:+15550100003"]]
        own_addresses = ["+15550100004"]"#;
    let expected = [
        vec!["+15550100001", "sam@example.com", "+15550100004"],
        vec!["+15550100003"],
    ];
    let variables = [
        (
            "ARCHETY_LINES",
            " +15550100001 | sam@example.com, +15550100003 ",
        ),
        ("ARCHETY_OWN_ADDRESSES", "+15550100004,+15550100003"),
    ];
    let as_text = r#"lines = "+15550100001|sam@example.com,+15550100003"
        own_addresses = "+15550100004,+15550100004""#;
    for lines in [
        read_lines(in_file, &[]),
        read_lines("", &variables),
        read_lines(as_text, &[]),
        read_lines("lines = [[\"+15550100009\"]]", &variables),
    ] {
        assert_eq!(addresses_of(&lines.expect("valid")), expected);
    }
    for empty in ["", "own_addresses = []\nlines = []", "lines = \"\""] {
        assert_eq!(read_lines(empty, &[]), Ok(chatdb::Lines::default()));
    }
}

#[test]
fn owner_handle_still_names_an_own_address() {
    let lines = read_lines("owner_handle = \"+15550100001\"", &[]).expect("valid");
    assert!(lines.is_declared("+15550100001"));
    // The first release accepted any text for this key.
    assert!(
        read_lines(
            "owner_handle = \"sam\"",
            &[("ARCHETY_OWN_ADDRESSES", "a@b.example")]
        )
        .is_ok()
    );
}

#[test]
fn an_address_with_an_exclamation_mark_is_never_an_own_one() {
    let text = "own_addresses = [\"!+1 555 010 0001\", \"+15550100002\"]";
    let mut lines = read_lines(text, &[]).expect("valid");
    let person = chatdb::Address::parse("+15550100001").expect("an address");
    assert!(!lines.add_found(person) && !lines.is_own("+15550100001"));
    assert!(lines.is_declared("+15550100002"));
}

#[test]
fn problems_of_own_addresses_name_key_and_place_without_the_address() {
    for (text, problem) in [
        (
            r#"own_addresses = ["+15550100001", "5550100002"]"#,
            "own_addresses: address 2 is neither",
        ),
        (
            r#"own_addresses = ["30300"]"#,
            "own_addresses: address 1 is neither",
        ),
        (
            r#"own_addresses = ["a@b.example", ""]"#,
            "own_addresses: address 2 is neither",
        ),
        (
            r#"own_addresses = ["!"]"#,
            "own_addresses: address 1 is neither",
        ),
        (
            r#"own_addresses = [["a@b.example"]]"#,
            "own_addresses: must be a list of texts",
        ),
        (
            r#"own_addresses = ["a@b.example,c@d.example"]"#,
            "own_addresses: must be a list of texts",
        ),
        (
            "own_addresses = 15550100001",
            "own_addresses: must be a list of texts",
        ),
        (
            "own_addresses = true",
            "own_addresses: must be a list of texts",
        ),
        (
            r#"own_addresses = ["a@b.example", "!A@b.example"]"#,
            "own_addresses: an address with an exclamation mark",
        ),
        (
            "own_addresses = [\"!a@b.example\"]\nlines = [[\"a@b.example\"]]",
            "own_addresses: an address with an exclamation mark",
        ),
        (
            r#"lines = ["+15550100001"]"#,
            "lines: must be a list of lists",
        ),
        (
            r#"lines = [["a@b.example"], []]"#,
            "lines: has an empty list in it",
        ),
        ("lines = [[1]]", "lines: must be a list of lists"),
        (
            r#"lines = "a@b.example,,c@d.example""#,
            "lines: line 2 has no address",
        ),
        (
            r#"lines = "a@b.example|""#,
            "lines: address 2 of line 1 is neither",
        ),
        (
            r#"lines = [["a@b.example", "home"]]"#,
            "lines: address 2 of line 1 is neither",
        ),
        (
            r#"lines = [["+15550100001"], ["a@b.example", "tel:+1-555-010-0001"]]"#,
            "lines: address 2 of line 2 is in line 1 too",
        ),
    ] {
        let problems = read_lines(text, &[]).expect_err(text);
        let shown = format!("{}: {}", problems.list[0].key, problems.list[0].text);
        assert!(shown.starts_with(problem), "{text}: {shown}");
        assert!(
            !shown.contains("0100001") && !shown.contains("b.example"),
            "{shown}"
        );
    }
}

#[test]
fn the_variable_and_the_flag_of_a_key_follow_from_its_name() {
    for key in keys::KEYS {
        assert_eq!(key.flag, key.name.replace('_', "-"));
        assert_eq!(key.variable, format!("ARCHETY_{}", key.name.to_uppercase()));
    }
}
