//! `config`: a commented configuration to fill in, and the one that holds.

use std::fmt::Write;
use std::path::Path;

use anyhow::Context;

use super::flags::ConfigFlags;
use super::output;
use crate::config::keys::{Form, KEYS};
use crate::config::{
    Config, ConfigProblems, Environment, Flags, Source, Values, environment, secret,
};
use crate::lifecycle::ExitCode;
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
        match self {
            Self::Init { write } => {
                let defaults = Values::collect(
                    None,
                    Flags::new(),
                    &environment(),
                    &mut ConfigProblems::default(),
                );
                let path = flags.config.as_ref().unwrap_or(&defaults.config_file);
                if write {
                    make(path, &init(&defaults))?;
                    let path = path.display();
                    eprintln!("wrote {path}; set backend_url there, and the secret as it says");
                } else {
                    output::text(init(&defaults).as_bytes())?;
                    let path = path.display();
                    eprintln!("the relay looks for this in {path}; --write puts it there");
                }
                Ok(ExitCode::Done)
            }
            Self::Show => {
                let (environment, values) = (environment(), flags.values());
                let file = flags.config.as_deref();
                let mut problems = ConfigProblems::default();
                let shown = Values::collect(file, values.clone(), &environment, &mut problems);
                output::table(&["KEY", "VALUE", "FROM"], &rows(&shown, &environment))?;
                Config::read_with_link(file, values, &environment)?;
                Ok(ExitCode::Done)
            }
        }
    }
}

/// Writes a new configuration file, and makes its folder.
fn make(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        private_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    output::new_file(path, text.as_bytes())
}

/// A commented configuration. Values that hold already stand in it.
pub(super) fn init(defaults: &Values) -> String {
    let mut text = String::from(
        "# Configuration of archety-relay. Every key can also be given as an environment variable or\n\
         # as a flag; flags win over variables, variables over this file. The secret does not belong\n\
         # here: set RELAY_WEBHOOK_SECRET, or write it into the file `secret` (mode 0600) in state_dir.\n",
    );
    for key in KEYS {
        text.push('\n');
        for line in wrap(key.doc) {
            let _ = writeln!(text, "# {line}");
        }
        let _ = writeln!(text, "# Variable: {}", key.env);
        let default = defaults
            .get(key.name)
            .filter(|value| value.source == Source::Default);
        let value = default.map_or(key.example, |value| value.text.as_str());
        let value = in_toml(value, key.form);
        let _ = writeln!(text, "#{} = {value}", key.name);
    }
    text
}

fn in_toml(value: &str, form: Form) -> String {
    let text = |text: &str| toml::Value::String(text.to_owned());
    let list =
        |list: &str, separator| toml::Value::Array(list.split(separator).map(text).collect());
    match (form, value) {
        (Form::Text, "true" | "false") => value.to_owned(),
        (Form::Text, value) => text(value).to_string(),
        (Form::List, value) => list(value, ',').to_string(),
        (Form::Lists, value) => {
            let lists = value.split(',').map(|inner| list(inner, '|')).collect();
            toml::Value::Array(lists).to_string()
        }
    }
}

fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("never empty");
        if !line.is_empty() && line.len() + word.len() > 90 {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// Key, value and source. Of the secret only whether and where it is.
pub(super) fn rows(values: &Values, environment: &Environment) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = KEYS
        .iter()
        .map(|key| match values.get(key.name) {
            Some(value) => vec![
                key.name.to_owned(),
                value.text.clone(),
                value.source.to_string(),
            ],
            None => vec![key.name.to_owned(), "(not set)".to_owned(), "-".to_owned()],
        })
        .collect();
    let from = if environment.contains_key(secret::SECRET_VARIABLE) {
        ("(set, not shown)", secret::SECRET_VARIABLE.to_owned())
    } else {
        let dir = values
            .get("state_dir")
            .map_or("", |value| value.text.as_str());
        let path = std::path::Path::new(dir).join(secret::SECRET_FILE);
        if path.exists() {
            ("(set, not shown)", path.display().to_string())
        } else {
            ("(not set)", "-".to_owned())
        }
    };
    rows.push(vec!["secret".to_owned(), from.0.to_owned(), from.1]);
    rows
}
