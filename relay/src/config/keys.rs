//! The keys of the configuration: name, variable, meaning, default. One list feeds the parser, `config
//! init`, `config show` and the flags' help.

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name in `config.toml`; the flag is the same with hyphens.
    pub name: &'static str,
    /// Its environment variable.
    pub env: &'static str,
    /// What it means, for `config init`.
    pub doc: &'static str,
    /// What stands in `config init` behind the comment sign when there is no default.
    pub example: &'static str,
}

/// Every key, in the order of `config init`.
pub const KEYS: &[Key] = &[
    Key {
        name: "backend_url",
        env: "ARCHETY_BACKEND_URL",
        doc: "Address of archety-backend. https, except on this machine itself. Required to run.",
        example: "https://backend.example.com",
    },
    Key {
        name: "relay_name",
        env: "ARCHETY_RELAY_NAME",
        doc: "Name of this relay: lower-case letters, digits, hyphens. The backend knows it by its \
              secret; a secret of the form name:secret sets the name too.",
        example: "",
    },
    Key {
        name: "auth",
        env: "ARCHETY_AUTH",
        doc: "How requests are authenticated: hmac (signed) or bearer (for backends that know \
              nothing else; then there are no commands and no signed answers).",
        example: "",
    },
    Key {
        name: "expect_env",
        env: "ARCHETY_EXPECT_ENV",
        doc: "Environment that the backend must report, such as production. A backend of another \
              one gets nothing.",
        example: "production",
    },
    Key {
        name: "chat_db",
        env: "ARCHETY_CHAT_DB",
        doc: "Messages' database.",
        example: "",
    },
    Key {
        name: "state_dir",
        env: "ARCHETY_STATE_DIR",
        doc: "Folder of the relay's own state (state.db, secret).",
        example: "",
    },
    Key {
        name: "owner_handle",
        env: "ARCHETY_OWNER_HANDLE",
        doc: "The owner's own address in Messages, if Messages itself does not tell it.",
        example: "+15550100001",
    },
    Key {
        name: "relay_spam",
        env: "ARCHETY_RELAY_SPAM",
        doc: "Relay what Messages files under spam, promotions and transactions too.",
        example: "",
    },
    Key {
        name: "relay_note_to_self",
        env: "ARCHETY_RELAY_NOTE_TO_SELF",
        doc: "Relay notes that the owner sends to the own address.",
        example: "",
    },
    Key {
        name: "log",
        env: "ARCHETY_LOG",
        doc: "What is logged: error, warn, info, debug, or directives such as \
              info,archety_relay=debug.",
        example: "",
    },
];
