//! Every table of the schema: those from which old rows are deleted, and those that keep their rows.

/// Tables from which old rows are deleted. Tokens and challenges are deleted with their sessions and codes.
pub(super) const CLEANED: &[&str] = &[
    "auth_events",
    "body_windows",
    "command_bubbles",
    "commands",
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
    "turns",
    "webhook_receipts",
];

/// Tables that keep their rows, and why.
pub(super) const KEPT: &[(&str, &str)] = &[
    ("_sqlx_migrations", "one row a migration"),
    (
        "accounts",
        "deleted with the person, or once the provider has deleted it",
    ),
    ("app_meta", "a handful of facts about the database"),
    ("conversation_aliases", "deleted with the conversation"),
    (
        "line_owners",
        "the relay that answers each own address; a handful of rows",
    ),
    (
        "mentions",
        "deleted with the message, or with the person mentioned",
    ),
    ("onboarding_sessions", "deleted with the person"),
    ("relationships", "deleted with the person"),
    (
        "relay_lines",
        "a relay's own addresses; replaced as a whole",
    ),
    ("relays", "one row a relay"),
    ("trait_profiles", "deleted with the person"),
    ("user_traits", "deleted with the person"),
    (
        "unanswered_messages",
        "until a turn answers the message, or with the message",
    ),
    ("users", "until the person or the operator has them deleted"),
];
