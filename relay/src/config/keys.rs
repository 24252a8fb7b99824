//! The key table: every setting of the relay with its name in `config.toml`, its environment variable, its
//! flag, its kind, its default and its texts. The reader of the file, the flags, `config init` and
//! `config show` use the table.
//!
//! The secret is not in the table: `config.toml` may be passed around, and other users can see flags.

use std::path::Path;

use crate::platform::DefaultPaths;

/// A setting of the relay.
#[derive(Debug)]
pub struct Key {
    /// Name in `config.toml`.
    pub name: &'static str,
    pub variable: &'static str,
    pub flag: &'static str,
    pub kind: ValueKind,
    pub default: DefaultValue,
    /// Placeholder of the flag's value in `--help`.
    pub value_name: &'static str,
    /// One line for `--help`.
    pub help: &'static str,
    /// Comment in the file that `config init` writes.
    pub comment: &'static str,
}

/// How a value is written in `config.toml`, as a variable and as a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    Text,
    /// A path; `~/` at its start stands for the home folder.
    Path,
    /// `true` or `false`; the flag alone means `true`.
    Bool,
    /// A list of texts in the file, comma-separated elsewhere.
    List,
    /// A list of lists of texts in the file. Elsewhere `|` separates within a list and `,` between lists.
    Lists,
}

#[derive(Debug)]
pub enum DefaultValue {
    /// No default. The text is the example of `config init`, written as for a variable.
    Unset(&'static str),
    Text(&'static str),
    /// A path that depends on the operating system and the home folder.
    Path(fn(&DefaultPaths) -> &Path),
}

/// All keys, in the order of `config init` and `--help`.
pub const KEYS: &[Key] = &[
    Key {
        name: "backend_url",
        variable: "ARCHETY_BACKEND_URL",
        flag: "backend-url",
        kind: ValueKind::Text,
        default: DefaultValue::Unset("https://backend.example.com"),
        value_name: "URL",
        help: "Address of archety-backend",
        comment: "Address of archety-backend. https, except on this machine itself. Required to run.",
    },
    Key {
        name: "relay_name",
        variable: "ARCHETY_RELAY_NAME",
        flag: "relay-name",
        kind: ValueKind::Text,
        default: DefaultValue::Text("default"),
        value_name: "NAME",
        help: "Name of this relay",
        comment: "Name of this relay: lower-case letters, digits, hyphens. The backend knows it by its \
                  secret; a secret of the form name:secret sets the name too.",
    },
    Key {
        name: "auth",
        variable: "ARCHETY_AUTH",
        flag: "auth",
        kind: ValueKind::Text,
        default: DefaultValue::Text("hmac"),
        value_name: "KIND",
        help: "hmac or bearer",
        comment: "How requests are authenticated: hmac (signed) or bearer (for backends that know \
                  nothing else; then there are no commands and no signed answers).",
    },
    Key {
        name: "expect_env",
        variable: "ARCHETY_EXPECT_ENV",
        flag: "expect-env",
        kind: ValueKind::Text,
        default: DefaultValue::Unset("production"),
        value_name: "NAME",
        help: "Environment that the backend must report",
        comment: "Environment that the backend must report, such as production. A backend of another \
                  one gets nothing.",
    },
    Key {
        name: "chat_db",
        variable: "ARCHETY_CHAT_DB",
        flag: "chat-db",
        kind: ValueKind::Path,
        default: DefaultValue::Path(|paths| &paths.chat_db),
        value_name: "FILE",
        help: "Messages' database",
        comment: "Messages' database.",
    },
    Key {
        name: "state_dir",
        variable: "ARCHETY_STATE_DIR",
        flag: "state-dir",
        kind: ValueKind::Path,
        default: DefaultValue::Path(|paths| &paths.state_dir),
        value_name: "DIR",
        help: "Folder of the relay's own state",
        comment: "Folder of the relay's own state (state.db, secret).",
    },
    Key {
        name: "sends",
        variable: "ARCHETY_SENDS",
        flag: "sends",
        kind: ValueKind::Text,
        default: DefaultValue::Text("on"),
        value_name: "on|off",
        help: "Whether texts of the backend are sent",
        comment: "Whether texts of the backend are sent through Messages: on or off. With off they are \
                  refused, and messages are still relayed.",
    },
    Key {
        name: "osascript",
        variable: "ARCHETY_OSASCRIPT",
        flag: "osascript",
        kind: ValueKind::Path,
        default: DefaultValue::Text("/usr/bin/osascript"),
        value_name: "FILE",
        help: "The program that passes texts to Messages",
        comment: "The program that passes texts to Messages. Without it nothing is sent.",
    },
    Key {
        name: "own_addresses",
        variable: "ARCHETY_OWN_ADDRESSES",
        flag: "own-addresses",
        kind: ValueKind::List,
        default: DefaultValue::Unset("+15550100001,sam@example.com,!+15550100002"),
        value_name: "LIST",
        help: "Own addresses in Messages, separated by commas",
        comment: "Own addresses in Messages, beside those that the relay finds in chat.db: phone numbers \
                  with + and the country, e-mail addresses. What comes from one of them is never \
                  answered. `archety-relay status` shows which addresses count as own ones. An address \
                  with an exclamation mark before it never does. As a variable: separated by commas.",
    },
    Key {
        name: "lines",
        variable: "ARCHETY_LINES",
        flag: "lines",
        kind: ValueKind::Lists,
        default: DefaultValue::Unset("+15550100001|sam@example.com,+15550100003"),
        value_name: "LISTS",
        help: "Own addresses by persona, as a|b,c|d",
        comment: "Only where this Mac serves several personas: which own addresses are whose. Each inner \
                  list is one line, and its first address is its name. Own addresses of no line belong to \
                  the first one. Without this key all own addresses are one line. As a variable: \
                  addresses separated by |, lines by commas.",
    },
    Key {
        name: "owner_handle",
        variable: "ARCHETY_OWNER_HANDLE",
        flag: "owner-handle",
        kind: ValueKind::Text,
        default: DefaultValue::Unset("+15550100001"),
        value_name: "HANDLE",
        help: "The old name of --own-addresses, for one address",
        comment: "The old name of own_addresses, for one address; still read.",
    },
    Key {
        name: "relay_spam",
        variable: "ARCHETY_RELAY_SPAM",
        flag: "relay-spam",
        kind: ValueKind::Bool,
        default: DefaultValue::Text("false"),
        value_name: "BOOL",
        help: "Relay spam, promotions and transactions too",
        comment: "Relay what Messages files under spam, promotions and transactions too.",
    },
    Key {
        name: "relay_note_to_self",
        variable: "ARCHETY_RELAY_NOTE_TO_SELF",
        flag: "relay-note-to-self",
        kind: ValueKind::Bool,
        default: DefaultValue::Text("false"),
        value_name: "BOOL",
        help: "Relay notes to self too",
        comment: "Relay notes that the owner sends to the own address.",
    },
    Key {
        name: "log",
        variable: "ARCHETY_LOG",
        flag: "log",
        kind: ValueKind::Text,
        default: DefaultValue::Text("info"),
        value_name: "LEVEL",
        help: "What is logged: error, warn, info, debug, or directives",
        comment: "What is logged: error, warn, info, debug, or directives such as \
                  info,archety_relay=debug.",
    },
];
