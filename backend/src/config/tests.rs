//! Accepted and refused configurations.

mod secrets;

use super::*;

const SESSION_KEY: &str = "8f5a9a6a7b80e67fc184bd0cb9069e420dae72ab2693c906ea078864ee7762d8";
const RELAY_SECRET: &str = "b0325f9c29ab874fbe5c236c8fd76dd49a696fac3c72af33311cdee85730c2f5";
const PASSWORD_KEY: &str = "f4167fe9a6fb21c927c0508028dacf62874a6613bbb66e53953763b9d7b31fae";
/// Development must be chosen expressly if a database on another machine or credentials are configured.
const DEVELOPMENT: (&str, &str) = ("APP_ENV", "development");
/// The settings that production needs beside those of its database, relays and proxies.
const SIGN_IN: [(&str, &str); 7] = [
    ("PUBLIC_URL", "https://api.example.com"),
    ("IDENTITY", "local"),
    ("SESSION_SECRET", SESSION_KEY),
    ("OTP_PROVIDER", "twilio"),
    ("TWILIO_ACCOUNT_SID", "AC00000000000000000000000000000000"),
    ("TWILIO_AUTH_TOKEN", "00000000000000000000000000000000"),
    (
        "TWILIO_VERIFY_SERVICE_SID",
        "VA00000000000000000000000000000000",
    ),
];

fn problem_keys(pairs: &[(&str, &str)]) -> Vec<&'static str> {
    match Config::from_variables(&Variables::of(pairs.iter().copied())) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.0.iter().map(|problem| problem.key).collect(),
    }
}

#[test]
fn a_development_machine_needs_no_configuration() {
    let config = Config::from_variables(&Variables::default()).expect("defaults");
    assert_eq!(config.environment, Environment::Development);
    assert_eq!(config.server.address.to_string(), "127.0.0.1:8000");
    assert!(config.relay.secrets.is_none());
    assert_eq!(config.relay.auth, RelayAuth::Both);
}

#[test]
fn a_server_that_other_machines_can_reach_is_in_production() {
    assert_eq!(
        problem_keys(&[("HOST", "::")]),
        [
            "PUBLIC_URL",
            "DATABASE_URL",
            "RELAY_WEBHOOK_SECRET",
            "TRUSTED_PROXIES",
            "IDENTITY",
            "OTP_PROVIDER",
            "SESSION_SECRET"
        ]
    );
    // Other machines must not reach a server that prints codes or accepts test numbers.
    assert_eq!(
        problem_keys(&[("HOST", "::"), ("APP_ENV", "development")]),
        ["OTP_PROVIDER"]
    );
}

#[test]
fn every_problem_is_reported_at_once() {
    let all = problem_keys(&[
        ("APP_ENV", "staging"),
        ("HOST", "example.com"),
        ("PORT", "70000"),
        ("PUBLIC_URL", "api.example.com"),
        ("DATABASE_URL", "postgresql+asyncpg://u:p@h/d"),
        ("MIGRATE_ON_START", "perhaps"),
        ("RELAY_AUTH", "none"),
        ("RELAY_WEBHOOK_SECRET", "whsec_!"),
        ("METRICS_TOKEN", "short"),
        ("TRUSTED_PROXIES", "any"),
        ("IDENTITY", "guest"),
        ("OTP_PROVIDER", "pigeon"),
        ("OTP_REGIONS", "+1"),
        ("OTP_PER_DAY", "many"),
        ("SESSION_SECRET", "short"),
        ("WEB_ORIGINS", "app.example.com"),
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
            "IDENTITY",
            "OTP_PROVIDER",
            "OTP_REGIONS",
            "OTP_PER_DAY",
            "SESSION_SECRET",
            "WEB_ORIGINS",
            "LOG_LEVEL"
        ]
    );
}

#[test]
fn connections_are_a_number_from_3_to_200() {
    let url = ("DATABASE_URL", "postgres://u:p@db.example.com/a");
    let read = |value| {
        let variables = Variables::of([DEVELOPMENT, url, ("DATABASE_CONNECTIONS", value)]);
        Config::from_variables(&variables).map(|config| config.database.connections)
    };
    let default = Config::from_variables(&Variables::of([DEVELOPMENT, url])).expect("valid");
    assert_eq!(default.database.connections, 8);
    for (value, expected) in [("3", 3), ("8", 8), ("200", 200)] {
        assert_eq!(read(value), Ok(expected));
    }
    for value in ["0", "2", "201", "-1", "8.5", "eight", "8,0", "99999999999"] {
        let problems = read(value).expect_err("refused");
        assert_eq!(problems.0[0].key, "DATABASE_CONNECTIONS", "{value}");
    }
    let variables = Variables::of([("DATABASE_CONNECTIONS", "9")]);
    let config = Config::from_variables(&variables).expect("harmless");
    assert_eq!(config.warnings[0].key, "DATABASE_CONNECTIONS");
}

#[test]
fn supabases_transaction_pooler_is_refused_by_its_port() {
    for (url, expected) in [
        (
            "postgres://u.ref:p@aws-0-eu-west-1.pooler.supabase.com:6543/postgres",
            1,
        ),
        (
            "postgres://u:p@db.ref.supabase.co:6543/postgres?pgbouncer=true",
            1,
        ),
        ("postgres://u:p@db.ref.supabase.co/postgres?port=6543", 1),
        (
            "postgres://u.ref:p@aws-0-eu-west-1.pooler.supabase.com:5432/postgres",
            0,
        ),
        ("postgres://u:p@db.ref.supabase.co/postgres", 0),
        // Databases of other providers may use that port.
        ("postgres://u:p@db.example.com:6543/a", 0),
        ("postgres://u:p@supabase.com.example.com:6543/a", 0),
    ] {
        let variables = Variables::of([("DATABASE_URL", url)]);
        let problems = match Config::from_variables(&variables) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.0,
        };
        let of_url: Vec<_> = problems
            .iter()
            .filter(|it| it.key == "DATABASE_URL")
            .collect();
        assert_eq!(of_url.len(), expected, "{url}: {problems:?}");
        assert!(
            of_url
                .iter()
                .all(|problem| problem.message.contains("5432"))
        );
    }
}

#[test]
fn sqlite_in_production_needs_the_promise_of_a_single_replica() {
    let base = [
        ("APP_ENV", "production"),
        ("RELAY_WEBHOOK_SECRET", RELAY_SECRET),
        ("TRUSTED_PROXIES", "none"),
    ];
    let file = ("DATABASE_URL", "sqlite:///var/lib/archety/archety.db");
    let mut pairs = [&base[..], &SIGN_IN].concat();
    pairs.push(file);
    assert_eq!(problem_keys(&pairs), ["DATABASE_URL"]);
    pairs.push(("SQLITE_SINGLE_REPLICA", "1"));
    assert_eq!(problem_keys(&pairs), [""; 0]);
}

const TWILIO: [(&str, &str); 5] = [
    ("TWILIO_VERIFY_SERVICE_SID", "VA00"),
    ("TWILIO_ACCOUNT_SID", "AC00"),
    ("TWILIO_AUTH_TOKEN", "00"),
    ("TWILIO_API_KEY_SID", "SK00"),
    ("TWILIO_API_KEY_SECRET", "00"),
];

#[test]
fn incomplete_settings_of_twilio_are_refused() {
    let [service, account, token, key, secret] = TWILIO;
    for complete in [
        &[service, account, token][..],
        &[service, key, secret],
        &TWILIO,
    ] {
        assert_eq!(problem_keys(&[complete, &[DEVELOPMENT]].concat()), [""; 0]);
    }
    for (set, missing) in [
        (&[account, token][..], &["TWILIO_VERIFY_SERVICE_SID"][..]),
        (&[key, secret], &["TWILIO_VERIFY_SERVICE_SID"]),
        (&[service], &["TWILIO_AUTH_TOKEN"]),
        (&[service, account], &["TWILIO_AUTH_TOKEN"]),
        (&[service, token], &["TWILIO_ACCOUNT_SID"]),
        (&[service, account, token, key], &["TWILIO_API_KEY_SECRET"]),
        (&[service, account, token, secret], &["TWILIO_API_KEY_SID"]),
        (&[service, key, secret, account], &["TWILIO_AUTH_TOKEN"]),
        (
            &[key],
            &["TWILIO_VERIFY_SERVICE_SID", "TWILIO_API_KEY_SECRET"],
        ),
    ] {
        let set = [set, &[DEVELOPMENT]].concat();
        assert_eq!(problem_keys(&set), missing, "{set:?}");
        let with_provider = [&set[..], &[("OTP_PROVIDER", "twilio")]].concat();
        assert_eq!(problem_keys(&with_provider), missing, "{set:?}");
    }
}

#[test]
fn settings_of_twilio_choose_twilio_and_conflict_with_another_provider() {
    let stand_in = ("TWILIO_BASE_URL", "http://127.0.0.1:8012");
    let provider = |pairs: &[(&'static str, &'static str)]| {
        let pairs = [pairs, &[DEVELOPMENT]].concat();
        let config = Config::from_variables(&Variables::of(pairs)).expect("valid");
        let warnings: Vec<_> = config.warnings.iter().map(|problem| problem.key).collect();
        (config.otp.provider, warnings)
    };
    let (chosen, warnings) = provider(&[&TWILIO[..], &[stand_in]].concat());
    assert!(matches!(chosen, OtpProviderConfig::Twilio(_)));
    assert_eq!(warnings, [""; 0]);
    // The address of a stand-in does not choose Twilio.
    let (chosen, warnings) = provider(&[stand_in]);
    assert!(matches!(chosen, OtpProviderConfig::Console));
    assert_eq!(warnings, [""; 0]);
    let console = ("OTP_PROVIDER", "console");
    let (chosen, warnings) = provider(&[TWILIO[1], console]);
    assert!(matches!(chosen, OtpProviderConfig::Console));
    assert_eq!(warnings, ["OTP_PROVIDER"]);
    let supabase = [
        DEVELOPMENT,
        ("OTP_PROVIDER", "supabase"),
        ("SUPABASE_URL", "https://abc.supabase.co"),
        ("SUPABASE_ANON_KEY", "anon"),
        ("SUPABASE_SERVICE_KEY", "service"),
        ("SUPABASE_PASSWORD_KEYS", PASSWORD_KEY),
    ];
    assert_eq!(problem_keys(&supabase), [""; 0]);
    let both = [&supabase[..], &[TWILIO[2]]].concat();
    assert_eq!(problem_keys(&both), ["OTP_PROVIDER"]);
}

#[test]
fn any_variable_of_supabase_means_supabase() {
    let issuer = ("SUPABASE_ISSUER", "https://auth.example.com/auth/v1");
    let missing = [
        "SUPABASE_URL",
        "SUPABASE_ANON_KEY",
        "SUPABASE_SERVICE_KEY",
        "SUPABASE_PASSWORD_KEYS",
    ];
    assert_eq!(problem_keys(&[issuer]), missing);
    assert_eq!(problem_keys(&[issuer, ("IDENTITY", "local")]), ["IDENTITY"]);
}
