//! `config`: prints a commented configuration file, or the settings that are in effect.

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;

use super::flags::ConfigFlags;
use super::output;
use crate::config::keys::{DefaultValue, KEYS, ValueKind};
use crate::config::{Config, Values, secret};
use crate::lifecycle::ExitCode;
use crate::platform::DefaultPaths;
use crate::state::files::private_dir;

/// Write a commented configuration, or show the one that holds.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Print a commented config.toml with every key and its default
    Init {
        /// Write it where the relay looks for it; a file that is there already stays as it is
        #[arg(long)]
        write: bool,
    },
    /// Show each value and where it comes from, and check them all
    Show,
}

impl Command {
    pub(super) fn execute(self, flags: &ConfigFlags) -> anyhow::Result<ExitCode> {
        let values = flags.values();
        match self {
            Self::Init { write } => {
                let (text, path) = (template(&values.default_paths), &values.config_file);
                let shown = path.display();
                if write {
                    create(path, &text)?;
                    eprintln!("wrote {shown}; set backend_url there, and the secret as it says");
                } else {
                    output::text(text.as_bytes())?;
                    eprintln!("the relay looks for this in {shown}; --write puts it there");
                }
            }
            Self::Show => {
                output::table(&["KEY", "VALUE", "FROM"], &rows(&values))?;
                Config::read_with_backend(values)?;
            }
        }
        Ok(ExitCode::Done)
    }
}

/// Creates a configuration file and its folder.
fn create(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        private_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    output::new_file(path, text.as_bytes())
}

/// A configuration file with every key, its comment and its default. Every line is commented out.
pub(super) fn template(paths: &DefaultPaths) -> String {
    let mut text = String::from(
        "# Configuration of archety-relay. Every key can also be given as an environment variable or\n\
         # as a flag; flags win over variables, variables over this file. The secret does not belong\n\
         # here: set RELAY_WEBHOOK_SECRET, or write it into the file `secret` (mode 0600) in state_dir.\n",
    );
    let wrapping = textwrap::Options::new(93)
        .initial_indent("# ")
        .subsequent_indent("# ")
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    for key in KEYS {
        text.push('\n');
        let _ = writeln!(text, "{}", textwrap::fill(key.comment, &wrapping));
        let _ = writeln!(text, "# Variable: {}", key.variable);
        let value = match key.default {
            DefaultValue::Unset(text) | DefaultValue::Text(text) => text.to_owned(),
            DefaultValue::Path(path) => path(paths).display().to_string(),
        };
        let _ = writeln!(text, "#{} = {}", key.name, in_toml(&value, key.kind));
    }
    text
}

/// A value as `config.toml` has it. `value` is written as for a variable.
fn in_toml(value: &str, kind: ValueKind) -> String {
    let text = |text: &str| toml::Value::String(text.to_owned());
    let list =
        |list: &str, separator| toml::Value::Array(list.split(separator).map(text).collect());
    match kind {
        ValueKind::Bool => value.to_owned(),
        ValueKind::Text | ValueKind::Path => text(value).to_string(),
        ValueKind::List => list(value, ',').to_string(),
        ValueKind::Lists => {
            let lists = value.split(',').map(|inner| list(inner, '|')).collect();
            toml::Value::Array(lists).to_string()
        }
    }
}

/// Each key with its value and the value's source. Of the secret only the source is shown.
pub(super) fn rows(values: &Values) -> Vec<Vec<String>> {
    let row = |name: &str, value: Option<(&str, String)>| {
        let (text, source) = value.unwrap_or(("(not set)", "-".to_owned()));
        vec![name.to_owned(), text.to_owned(), source]
    };
    let mut rows: Vec<Vec<String>> = KEYS
        .iter()
        .map(|key| {
            let value = values.get(key.name);
            row(
                key.name,
                value.map(|value| (value.text.as_str(), value.source.to_string())),
            )
        })
        .collect();
    let secret = secret::source(values).map(|source| ("(set, not shown)", source));
    rows.push(row("secret", secret));
    rows
}
