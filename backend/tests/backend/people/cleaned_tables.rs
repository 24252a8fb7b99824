//! Every table of the schema: those from which old rows are deleted, and those that keep their rows.

/// Tables from which old rows are deleted. Tokens and challenges are deleted with their sessions and codes.
pub(super) const CLEANED: &[&str] = &[
    "auth_events",
    "body_windows",
    "conversations",
    "jobs",
    "messages",
    "otp_challenges",
    "otp_codes",
    "participants",
    "rate_counters",
    "sealed_keys",
    "session_tokens",
    "sessions",
    "tombstones",
    "webhook_receipts",
];

/// Tables that keep their rows, and why.
pub(super) const KEPT: &[(&str, &str)] = &[
    ("_sqlx_migrations", "one row a migration"),
    (
        "accounts",
        "goes with the person, or once the provider has deleted it",
    ),
    ("app_meta", "a handful of facts about the database"),
    ("conversation_aliases", "goes with the conversation"),
    (
        "mentions",
        "goes with the message, or with the person mentioned",
    ),
    ("onboarding_sessions", "goes with the person"),
    ("relationships", "goes with the person"),
    (
        "relay_lines",
        "a relay's own addresses; replaced as a whole",
    ),
    ("relays", "one row a relay"),
    ("trait_profiles", "goes with the person"),
    ("user_traits", "goes with the person"),
    ("users", "until the person or the operator has them deleted"),
];
