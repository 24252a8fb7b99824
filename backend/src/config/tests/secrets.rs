//! Tests that weak, swapped and shared secrets are refused, and that no secret is shown.

use super::*;

#[test]
fn a_key_that_can_be_guessed_stops_production() {
    let repeated = "a".repeat(32);
    let base = [
        ("APP_ENV", "production"),
        ("DATABASE_URL", "postgres://u:p@db.example.com/a"),
        ("TRUSTED_PROXIES", "none"),
        ("RELAY_WEBHOOK_SECRET", RELAY_SECRET),
    ];
    let valid_pairs = [&base[..], &SIGN_IN].concat();
    assert_eq!(problem_keys(&valid_pairs), [""; 0]);
    for (key, value) in [
        ("SESSION_SECRET", repeated.clone()),
        ("SESSION_SECRET", format!("{SESSION_KEY},{repeated}")),
        ("RELAY_WEBHOOK_SECRET", format!("mini:{repeated}")),
        (
            "RELAY_WEBHOOK_SECRET",
            format!("{RELAY_SECRET},mini:your-secret-of-more-than-32-chars"),
        ),
        ("METRICS_TOKEN", "abcabcabcabcabcabc".to_owned()),
    ] {
        let pairs = [&valid_pairs[..], &[(key, value.as_str())]].concat();
        assert_eq!(problem_keys(&pairs), [key], "{value}");
    }
    let development = Variables::of([("SESSION_SECRET", repeated.as_str())]);
    let warnings = Config::from_variables(&development)
        .expect("a warning only")
        .warnings;
    assert_eq!(
        warnings.iter().map(|it| it.key).collect::<Vec<_>>(),
        ["SESSION_SECRET"]
    );
    let supabase = |list: &str| {
        let mut pairs: Vec<_> = valid_pairs
            .iter()
            .copied()
            .filter(|(key, _)| *key != "IDENTITY")
            .collect();
        pairs.extend([
            ("IDENTITY", "supabase"),
            ("SUPABASE_URL", "https://abc.supabase.co"),
            ("SUPABASE_ANON_KEY", "sb_publishable_1"),
            ("SUPABASE_SERVICE_KEY", "sb_secret_1"),
            ("SUPABASE_PASSWORD_KEYS", list),
        ]);
        problem_keys(&pairs)
    };
    assert_eq!(supabase(PASSWORD_KEY), [""; 0]);
    assert_eq!(supabase(&repeated), ["SUPABASE_PASSWORD_KEYS"]);
    assert_eq!(
        supabase(&format!("{PASSWORD_KEY},{repeated}")),
        [""; 0],
        "an older key has to stay, because accounts depend on it"
    );
}

#[test]
fn swapped_keys_and_keys_of_another_project_are_refused() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let legacy = |role: &str, reference: &str| {
        let claims = serde_json::json!({"iss": "supabase", "ref": reference, "role": role});
        format!(
            "eyJhbGciOiJIUzI1NiJ9.{}.c2lnbmF0dXJl",
            URL_SAFE_NO_PAD.encode(claims.to_string())
        )
    };
    let (anon, service) = (legacy("anon", "abc"), legacy("service_role", "abc"));
    let (foreign_anon, foreign_service) = (legacy("anon", "xyz"), legacy("service_role", "xyz"));
    let problems_of = |url: &str, anon: &str, service: &str| {
        problem_keys(&[
            DEVELOPMENT,
            ("SUPABASE_URL", url),
            ("SUPABASE_ANON_KEY", anon),
            ("SUPABASE_SERVICE_KEY", service),
            ("SUPABASE_PASSWORD_KEYS", PASSWORD_KEY),
        ])
    };
    let both = ["SUPABASE_ANON_KEY", "SUPABASE_SERVICE_KEY"];
    let project_url = "https://abc.supabase.co";
    assert_eq!(problems_of(project_url, &anon, &service), [""; 0]);
    assert_eq!(
        problems_of(project_url, "sb_publishable_1", "sb_secret_1"),
        [""; 0]
    );
    assert_eq!(
        problems_of(project_url, &anon, "sb_secret_1"),
        [""; 0],
        "the formats may differ"
    );
    assert_eq!(problems_of(project_url, &service, &anon), both);
    assert_eq!(
        problems_of(project_url, "sb_secret_1", "sb_publishable_1"),
        both
    );
    assert_eq!(
        problems_of(project_url, &foreign_anon, &foreign_service),
        both
    );
    assert_eq!(
        problems_of(project_url, &anon, &foreign_service),
        ["SUPABASE_SERVICE_KEY"]
    );
    let token = legacy("authenticated", "abc");
    assert_eq!(
        problems_of(project_url, &token, &token),
        both,
        "a person's token"
    );
    // A URL with a domain of the project's own does not name the project.
    assert_eq!(
        problems_of("https://auth.example.com", &foreign_anon, &foreign_service),
        [""; 0]
    );
}

#[test]
fn one_secret_in_two_settings_is_refused() {
    let base = [
        ("APP_ENV", "production"),
        ("DATABASE_URL", "postgres://u:p@db.example.com/a"),
        ("TRUSTED_PROXIES", "none"),
    ];
    let valid_pairs = [&base[..], &SIGN_IN].concat();
    let with_name = format!("mini:{SESSION_KEY}");
    let as_second_entry = format!("{RELAY_SECRET},{SESSION_KEY}");
    for (key, value) in [
        ("RELAY_WEBHOOK_SECRET", SESSION_KEY),
        ("RELAY_WEBHOOK_SECRET", &with_name),
        ("RELAY_WEBHOOK_SECRET", &as_second_entry),
    ] {
        assert_eq!(
            problem_keys(&[&valid_pairs[..], &[(key, value)]].concat()),
            ["SESSION_SECRET"]
        );
    }
    let metrics_token = [
        ("RELAY_WEBHOOK_SECRET", RELAY_SECRET),
        ("METRICS_TOKEN", RELAY_SECRET),
    ];
    assert_eq!(
        problem_keys(&[&valid_pairs[..], &metrics_token].concat()),
        ["METRICS_TOKEN"]
    );
}

#[test]
fn an_invalid_relay_name_is_refused() {
    for wrong in ["Mac Mini", "mini_2", "", "mini ", &"a".repeat(33)] {
        let list = format!("{RELAY_SECRET},{wrong}:{SESSION_KEY}");
        assert_eq!(
            problem_keys(&[("RELAY_WEBHOOK_SECRET", &list)]),
            ["RELAY_WEBHOOK_SECRET"],
            "{wrong}"
        );
    }
    let right = format!("mini-2:{RELAY_SECRET}");
    assert_eq!(problem_keys(&[("RELAY_WEBHOOK_SECRET", &right)]), [""; 0]);
}

#[test]
fn nothing_shown_is_a_secret() {
    let config = Config::from_variables(&Variables::of([
        ("APP_ENV", "development".to_owned()),
        ("RELAY_WEBHOOK_SECRET", format!("mini:{SESSION_KEY}")),
        (
            "DATABASE_URL",
            "postgres://u:hunter2@db.example.com/a?password=hunter3".to_owned(),
        ),
        ("METRICS_TOKEN", "hunter4-hunter4-hunter4".to_owned()),
    ]))
    .expect("valid");
    let shown = format!("{:?} {config:?}", config.effective());
    for secret in [SESSION_KEY, "hunter"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("mini:***"));
}

#[test]
fn every_setting_is_shown() {
    let config = Config::from_variables(&Variables::default()).expect("defaults");
    let mut shown: Vec<_> = config.effective().into_iter().map(|(key, _)| key).collect();
    let mut settings: Vec<_> = settings::SETTINGS
        .iter()
        .map(|setting| setting.key)
        .collect();
    shown.sort_unstable();
    settings.sort_unstable();
    assert_eq!(shown, settings);
}

#[test]
fn a_short_secret_warns_in_development_and_stops_production() {
    let weak = ("RELAY_WEBHOOK_SECRET", "YOUR_RELAY_SECRET_HERE");
    let config = Config::from_variables(&Variables::of([weak])).expect("a warning only");
    assert_eq!(config.warnings.len(), 1);
    assert_eq!(config.warnings[0].key, "RELAY_WEBHOOK_SECRET");
    let production = ("APP_ENV", "production");
    let postgres = ("DATABASE_URL", "postgres://u:p@db.example.com/archety");
    let direct = ("TRUSTED_PROXIES", "none");
    let with_sign_in =
        |pairs: &[(&'static str, &'static str)]| problem_keys(&[&SIGN_IN, pairs].concat());
    assert_eq!(
        with_sign_in(&[weak, production, postgres, direct]),
        ["RELAY_WEBHOOK_SECRET"]
    );
    let plain_http = ("PUBLIC_URL", "http://api.example.com");
    let strong = ("RELAY_WEBHOOK_SECRET", RELAY_SECRET);
    assert_eq!(
        with_sign_in(&[strong, production, postgres, direct, plain_http]),
        ["PUBLIC_URL"]
    );
    assert_eq!(
        with_sign_in(&[strong, production, postgres, direct]),
        [""; 0]
    );
}
