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
    /// What stands in `config init` behind the comment sign when there is no default, as a variable has
    /// it.
    pub example: &'static str,
    /// What `config.toml` may hold.
    pub form: Form,
}

/// The form of a value in `config.toml`. A variable or a flag has the same as one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Text, true or false.
    Text,
    /// A list of texts; as one text, with commas between them.
    List,
    /// A list of such lists; as one text, with `|` within a list and commas between lists.
    Lists,
}

/// Every key, in the order of `config init`.
pub const KEYS: &[Key] = &[
    Key {
        name: "backend_url",
        env: "ARCHETY_BACKEND_URL",
        doc: "Address of archety-backend. https, except on this machine itself. Required to run.",
        example: "https://backend.example.com",
        form: Form::Text,
    },
    Key {
        name: "relay_name",
        env: "ARCHETY_RELAY_NAME",
        doc: "Name of this relay: lower-case letters, digits, hyphens. The backend knows it by its \
              secret; a secret of the form name:secret sets the name too.",
        example: "",
        form: Form::Text,
    },
    Key {
        name: "auth",
        env: "ARCHETY_AUTH",
        doc: "How requests are authenticated: hmac (signed) or bearer (for backends that know \
              nothing else; then there are no commands and no signed answers).",
        example: "",
        form: Form::Text,
    },
    Key {
        name: "expect_env",
        env: "ARCHETY_EXPECT_ENV",
        doc: "Environment that the backend must report, such as production. A backend of another \
              one gets nothing.",
        example: "production",
        form: Form::Text,
    },
    Key {
        name: "chat_db",
        env: "ARCHETY_CHAT_DB",
        doc: "Messages' database.",
        example: "",
        form: Form::Text,
    },
    Key {
        name: "state_dir",
        env: "ARCHETY_STATE_DIR",
        doc: "Folder of the relay's own state (state.db, secret).",
        example: "",
        form: Form::Text,
    },
    Key {
        name: "own_addresses",
        env: "ARCHETY_OWN_ADDRESSES",
        doc: "Own addresses in Messages, beside those that it tells by itself: phone numbers with + \
              and the country, e-mail addresses. What comes from one of them is never answered. \
              `archety-relay status` shows which addresses are taken for own ones; one behind an \
              exclamation mark never is. As a variable: separated by commas.",
        example: "+15550100001,sam@example.com,!+15550100002",
        form: Form::List,
    },
    Key {
        name: "lines",
        env: "ARCHETY_LINES",
        doc: "Only where this Mac serves several personas: which own addresses are whose. Each inner \
              list is one line, and its first address is its name. Own addresses of no line count to \
              the first one. Without this key all own addresses are one line. As a variable: \
              addresses separated by |, lines by commas.",
        example: "+15550100001|sam@example.com,+15550100003",
        form: Form::Lists,
    },
    Key {
        name: "owner_handle",
        env: "ARCHETY_OWNER_HANDLE",
        doc: "The old name of own_addresses, for one address; still read.",
        example: "+15550100001",
        form: Form::Text,
    },
    Key {
        name: "relay_spam",
        env: "ARCHETY_RELAY_SPAM",
        doc: "Relay what Messages files under spam, promotions and transactions too.",
        example: "",
        form: Form::Text,
    },
    Key {
        name: "relay_note_to_self",
        env: "ARCHETY_RELAY_NOTE_TO_SELF",
        doc: "Relay notes that the owner sends to the own address.",
        example: "",
        form: Form::Text,
    },
    Key {
        name: "log",
        env: "ARCHETY_LOG",
        doc: "What is logged: error, warn, info, debug, or directives such as \
              info,archety_relay=debug.",
        example: "",
        form: Form::Text,
    },
];
