//! Where values come from: defaults, then `config.toml`, then the environment, then flags.
//!
//! Everything is text here; meaning is given by [`super::Config`]. Only this module reads the
//! environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::keys::{Form, KEYS};
use super::problem::{ConfigProblems, MissingFile, Source};
use crate::platform::{DefaultPaths, Platform};

/// Variables with our prefix that are no keys: the file's own name, and where a test ends the process.
const OTHER_VARIABLES: [&str; 2] = ["ARCHETY_CONFIG", "ARCHETY_CRASH_AT"];

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The value as text.
    pub text: String,
    /// Where it comes from.
    pub source: Source,
}

/// The environment as a value.
pub type Environment = BTreeMap<String, String>;

/// The process's environment; a variable that is not UTF-8 counts as unset.
pub fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// What flags set, by key.
pub type Flags = Vec<(&'static str, String)>;

/// Every key's value, where there is one.
#[derive(Debug)]
pub struct Values {
    /// The configuration file that was read, or would have been.
    pub config_file: PathBuf,
    values: BTreeMap<&'static str, Value>,
}

impl Values {
    /// Puts the layers together. `config_file` is what `--config` says.
    pub fn collect(
        config_file: Option<&Path>,
        flags: Flags,
        environment: &Environment,
        problems: &mut ConfigProblems,
    ) -> Self {
        let variable = |name: &str| environment.get(name).filter(|v| !v.is_empty()).cloned();
        let home = PathBuf::from(variable("HOME").unwrap_or_else(|| "/".into()));
        let defaults = DefaultPaths::new(Platform::HERE, &home, variable);
        let named = config_file
            .map(Path::to_owned)
            .or_else(|| variable("ARCHETY_CONFIG").map(PathBuf::from));
        let presence = if named.is_some() {
            Presence::Required
        } else {
            Presence::Optional
        };
        let path = named.unwrap_or(defaults.config_file);

        let mut values = BTreeMap::new();
        let mut set = |name: &'static str, text: String, source: Source| {
            values.insert(name, Value { text, source });
        };
        for (name, text) in [
            ("relay_name", "default".to_owned()),
            ("auth", "hmac".to_owned()),
            ("chat_db", defaults.chat_db.display().to_string()),
            ("state_dir", defaults.state_dir.display().to_string()),
            ("relay_spam", "false".to_owned()),
            ("relay_note_to_self", "false".to_owned()),
            ("log", "info".to_owned()),
        ] {
            set(name, text, Source::Default);
        }
        for (name, text) in read_file(&path, presence, problems) {
            set(name, text, Source::File(path.clone()));
        }
        for key in KEYS {
            if let Some(text) = variable(key.env) {
                set(key.name, text, Source::Environment(key.env));
            }
        }
        for name in environment.keys() {
            refuse_unknown(name, problems);
        }
        for (name, text) in flags {
            set(name, text, Source::Flag);
        }
        for name in ["chat_db", "state_dir"] {
            if let Some(value) = values.get_mut(name)
                && let Some(rest) = value.text.strip_prefix("~/")
            {
                value.text = home.join(rest).display().to_string();
            }
        }
        Self {
            config_file: path,
            values,
        }
    }

    /// The value of a key.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }
}

/// A variable of our own prefix that no key has changes nothing, and would not be noticed.
fn refuse_unknown(name: &str, problems: &mut ConfigProblems) {
    let is_known = OTHER_VARIABLES.contains(&name) || KEYS.iter().any(|key| key.env == name);
    if is_known || !name.starts_with("ARCHETY_") {
        return;
    }
    let nearest = KEYS
        .iter()
        .map(|key| key.env)
        .min_by_key(|env| strsim::damerau_levenshtein(env, name));
    let meant = nearest.unwrap_or_default();
    problems.add(
        name,
        None,
        format!(
            "is no setting of the relay; {meant} is the nearest, `archety-relay --help` lists all"
        ),
    );
}

fn read_file(
    path: &Path,
    presence: Presence,
    problems: &mut ConfigProblems,
) -> Vec<(&'static str, String)> {
    let source = Source::File(path.to_owned());
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound && presence == Presence::Optional =>
        {
            let beside = path.file_name().map(PathBuf::from);
            problems.missing_file = Some(MissingFile {
                path: path.to_owned(),
                beside: beside.filter(|name| name.is_file()),
            });
            return Vec::new();
        }
        Err(error) => {
            problems.add("config", Some(&source), format!("cannot be read: {error}"));
            return Vec::new();
        }
    };
    let table = match text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => {
            let error = error.message();
            problems.add("config", Some(&source), format!("is not TOML: {error}"));
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for (name, value) in table {
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            let known: Vec<_> = KEYS.iter().map(|key| key.name).collect();
            let text = format!("there is no such key; there are {}", known.join(", "));
            problems.add(&name, Some(&source), text);
            continue;
        };
        match as_text(&value, key.form) {
            Ok(text) => found.push((key.name, text)),
            Err(problem) => problems.add(&name, Some(&source), problem),
        }
    }
    found
}

/// A value of the file as a variable would have it.
fn as_text(value: &toml::Value, form: Form) -> Result<String, &'static str> {
    const NO_LIST: &str = "must be a list of texts in quotes";
    const NO_LISTS: &str = "must be a list of lists of texts in quotes";
    match (form, value) {
        (_, toml::Value::String(text)) => Ok(text.clone()),
        (Form::Text, toml::Value::Boolean(flag)) => Ok(flag.to_string()),
        (Form::Text, _) => Err("must be text in quotes, true or false"),
        (Form::List, toml::Value::Array(entries)) => joined(entries, ",").ok_or(NO_LIST),
        (Form::List, _) => Err(NO_LIST),
        (Form::Lists, toml::Value::Array(lists)) => {
            let mut texts = Vec::with_capacity(lists.len());
            for list in lists {
                let entries = list.as_array().ok_or(NO_LISTS)?;
                if entries.is_empty() {
                    return Err("has an empty list in it");
                }
                texts.push(joined(entries, "|").ok_or(NO_LISTS)?);
            }
            Ok(texts.join(","))
        }
        (Form::Lists, _) => Err(NO_LISTS),
    }
}

/// The texts with `separator` between them; none if one is no text, or has a separator of its own.
fn joined(entries: &[toml::Value], separator: &str) -> Option<String> {
    let mut texts = Vec::with_capacity(entries.len());
    for entry in entries {
        texts.push(entry.as_str().filter(|text| !text.contains([',', '|']))?);
    }
    Some(texts.join(separator))
}

/// A file that was named must be there; the usual one may be missing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Required,
    Optional,
}
