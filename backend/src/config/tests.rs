//! What the configuration takes, and every problem that it names.

use super::*;

const STRONG: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn keys(pairs: &[(&str, &str)]) -> Vec<&'static str> {
    match Config::from_variables(&Variables::of(pairs.iter().copied())) {
        Ok(_) => Vec::new(),
        Err(problems) => problems
            .as_slice()
            .iter()
            .map(|problem| problem.key)
            .collect(),
    }
}

#[test]
fn a_laptop_needs_no_configuration() {
    let config = Config::from_variables(&Variables::default()).expect("defaults");
    assert_eq!(config.environment, Environment::Development);
    assert_eq!(config.server.address.to_string(), "127.0.0.1:8000");
    assert!(matches!(config.relay.secrets, SecretSource::Generated));
    assert_eq!(config.relay.auth, RelayAuth::Both);
}

#[test]
fn whoever_listens_to_the_world_is_in_production() {
    assert_eq!(
        keys(&[("HOST", "::")]),
        ["DATABASE_URL", "RELAY_WEBHOOK_SECRET", "TRUSTED_PROXIES"]
    );
    assert_eq!(keys(&[("HOST", "::"), ("APP_ENV", "development")]), [""; 0]);
}

#[test]
fn every_problem_is_reported_at_once() {
    let all = keys(&[
        ("APP_ENV", "staging"),
        ("HOST", "example.com"),
        ("PORT", "70000"),
        ("PUBLIC_URL", "api.example.com"),
        ("DATABASE_URL", "postgresql+asyncpg://u:p@h/d"),
        ("MIGRATE_ON_START", "perhaps"),
        ("RELAY_AUTH", "none"),
        ("RELAY_WEBHOOK_SECRET", "whsec_!"),
        ("METRICS_TOKEN", "short"),
        ("TRUSTED_PROXIES", "everybody"),
        ("LOG_LEVEL", "a=b=c"),
    ]);
    assert_eq!(
        all,
        [
            "HOST",
            "PORT",
            "PUBLIC_URL",
            "APP_ENV",
            "DATABASE_URL",
            "MIGRATE_ON_START",
            "RELAY_AUTH",
            "RELAY_WEBHOOK_SECRET",
            "METRICS_TOKEN",
            "TRUSTED_PROXIES",
            "LOG_LEVEL"
        ]
    );
}

#[test]
fn a_weak_secret_warns_in_development_and_stops_production() {
    let weak = ("RELAY_WEBHOOK_SECRET", "YOUR_RELAY_SECRET_HERE");
    let config = Config::from_variables(&Variables::of([weak])).expect("a warning only");
    assert_eq!(config.warnings.len(), 1);
    assert_eq!(config.warnings[0].key, "RELAY_WEBHOOK_SECRET");
    let production = ("APP_ENV", "production");
    let postgres = ("DATABASE_URL", "postgres://u:p@db.example.com/archety");
    let direct = ("TRUSTED_PROXIES", "none");
    assert_eq!(
        keys(&[weak, production, postgres, direct]),
        ["RELAY_WEBHOOK_SECRET"]
    );
    let plain_http = ("PUBLIC_URL", "http://api.example.com");
    let strong = ("RELAY_WEBHOOK_SECRET", STRONG);
    assert_eq!(
        keys(&[strong, production, postgres, direct, plain_http]),
        ["PUBLIC_URL"]
    );
    assert_eq!(keys(&[strong, production, postgres, direct]), [""; 0]);
}

#[test]
fn sqlite_in_production_needs_a_promise() {
    let base = [
        ("APP_ENV", "production"),
        ("RELAY_WEBHOOK_SECRET", STRONG),
        ("TRUSTED_PROXIES", "none"),
    ];
    let file = ("DATABASE_URL", "sqlite:///var/lib/archety/archety.db");
    assert_eq!(keys(&[base[0], base[1], base[2], file]), ["DATABASE_URL"]);
    assert_eq!(
        keys(&[
            base[0],
            base[1],
            base[2],
            file,
            ("SQLITE_SINGLE_REPLICA", "1")
        ]),
        [""; 0]
    );
}

#[test]
fn nothing_shown_is_a_secret() {
    let config = Config::from_variables(&Variables::of([
        ("RELAY_WEBHOOK_SECRET", format!("mini:{STRONG}")),
        (
            "DATABASE_URL",
            "postgres://u:hunter2@db.example.com/a?password=hunter3".to_owned(),
        ),
        ("METRICS_TOKEN", "hunter4-hunter4-hunter4".to_owned()),
    ]))
    .expect("valid");
    let shown = format!("{:?} {config:?}", config.effective());
    for secret in [STRONG, "hunter"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("mini:***"));
}
