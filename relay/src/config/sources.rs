//! The text of each setting and its source: a default, `config.toml`, an environment variable or a flag,
//! where a later source wins. [`super::Config`] parses the texts. Only this module reads the environment.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::keys::{DefaultValue, KEYS, Key, ValueKind};
use super::problem::{ConfigProblems, ValueSource};
use crate::platform::{DefaultPaths, Platform};

/// Variables with the prefix `ARCHETY_` that are no settings: the path of `config.toml`, and the place
/// where a test ends the process.
const OTHER_VARIABLES: [&str; 2] = ["ARCHETY_CONFIG", "ARCHETY_CRASH_AT"];

/// The text of a setting, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    pub text: String,
    pub source: ValueSource,
}

/// Environment variables by name.
pub type Environment = BTreeMap<String, String>;

/// The process's environment; a variable that is not UTF-8 counts as unset.
pub fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Values of the flags that were given, by key.
pub type Flags = Vec<(&'static str, String)>;

/// The settings as texts, and everything that was found wrong with them so far.
pub struct Values {
    /// The configuration file, whether it exists or not.
    pub config_file: PathBuf,
    pub default_paths: DefaultPaths,
    pub(super) environment: Environment,
    pub(super) problems: ConfigProblems,
    by_key: BTreeMap<&'static str, Value>,
}

impl Values {
    /// Reads all sources. `config_file` is the value of `--config`.
    pub fn collect(config_file: Option<&Path>, flags: Flags, environment: Environment) -> Self {
        let variable = |name: &str| environment.get(name).filter(|v| !v.is_empty()).cloned();
        let home = PathBuf::from(variable("HOME").unwrap_or_else(|| "/".into()));
        let default_paths = DefaultPaths::new(Platform::HERE, &home, variable);
        let named_file = config_file
            .map(Path::to_owned)
            .or_else(|| variable("ARCHETY_CONFIG").map(PathBuf::from));
        let mut problems = ConfigProblems::default();
        let mut values = BTreeMap::new();
        let mut set = |name: &'static str, text: String, source: ValueSource| {
            values.insert(name, Value { text, source });
        };

        for key in KEYS {
            let default = match key.default {
                DefaultValue::Unset(_) => continue,
                DefaultValue::Text(text) => text.to_owned(),
                DefaultValue::Path(path) => path(&default_paths).display().to_string(),
            };
            set(key.name, default, ValueSource::Default);
        }
        let (config_file, text) = match named_file {
            Some(file) => (file.clone(), std::fs::read_to_string(file)),
            None => read_default_file(&default_paths.config_file, &mut problems),
        };
        let source = ValueSource::File(config_file.clone());
        match text {
            Ok(text) => {
                for (name, text) in parse_file(&text, &source, &mut problems) {
                    set(name, text, source.clone());
                }
            }
            Err(error) => {
                problems.add("config", Some(&source), format!("cannot be read: {error}"));
            }
        }
        for key in KEYS {
            if let Some(text) = variable(key.variable) {
                set(key.name, text, ValueSource::Environment(key.variable));
            }
        }
        for name in environment.keys() {
            refuse_unknown_variable(name, &mut problems);
        }
        for (name, text) in flags {
            set(name, text, ValueSource::Flag);
        }
        for key in KEYS.iter().filter(|key| key.kind == ValueKind::Path) {
            if let Some(value) = values.get_mut(key.name)
                && let Some(rest) = value.text.strip_prefix("~/")
            {
                value.text = home.join(rest).display().to_string();
            }
        }
        Self {
            config_file,
            default_paths,
            environment,
            problems,
            by_key: values,
        }
    }

    /// The text of a key and where it comes from; `None` if the key is not set.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.by_key.get(key)
    }

    /// The folder of the relay's state, as a text that is not checked yet.
    pub(super) fn state_dir(&self) -> &Path {
        Path::new(self.get("state_dir").map_or("", |value| &value.text))
    }

    /// Sets a value as its flag does.
    pub fn set_flag(&mut self, key: &'static str, text: String) {
        let source = ValueSource::Flag;
        self.by_key.insert(key, Value { text, source });
    }

    /// The text of a key, without the space around it; `None` if the text is empty.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        let text = self.get(key)?.text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The parsed value of a key; `None` if the key is not set. A wrong value becomes a problem and `None`.
    pub(super) fn parse<T, E: ToString>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(self.get(key)?.text.trim()) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.reject(key, error.to_string());
                None
            }
        }
    }

    /// Adds a problem of a key, with the source of its value.
    pub(super) fn reject(&mut self, key: &str, text: impl Into<String>) {
        let source = self.by_key.get(key).map(|value| &value.source);
        self.problems.add(key, source, text);
    }
}

/// Adds a problem for a variable with the relay's prefix that belongs to no key. The variable would have no
/// effect, so a mistake in its name would not be noticed.
fn refuse_unknown_variable(name: &str, problems: &mut ConfigProblems) {
    let is_known = OTHER_VARIABLES.contains(&name) || KEYS.iter().any(|key| key.variable == name);
    if is_known || !name.starts_with("ARCHETY_") {
        return;
    }
    let nearest = KEYS
        .iter()
        .map(|key| key.variable)
        .min_by_key(|variable| strsim::damerau_levenshtein(variable, name))
        .unwrap_or_default();
    problems.add(
        name,
        None,
        format!(
            "is no setting of the relay; {nearest} is the nearest, `archety-relay --help` lists all"
        ),
    );
}

/// Reads the configuration file at its default path. A missing file is no problem, but sets the hint that is
/// printed with the other problems.
fn read_default_file(
    path: &Path,
    problems: &mut ConfigProblems,
) -> (PathBuf, std::io::Result<String>) {
    let mut text = std::fs::read_to_string(path);
    if text
        .as_ref()
        .is_err_and(|error| error.kind() == ErrorKind::NotFound)
    {
        let file_in_current_folder = path
            .file_name()
            .map(Path::new)
            .filter(|name| name.is_file());
        let advice = file_in_current_folder.map_or_else(
            || "`archety-relay config init --write` makes one there.".to_owned(),
            |file| {
                let file = file.display();
                format!(
                    "{file} in this folder is not read: move it there, or name it with --config."
                )
            },
        );
        let path = path.display();
        problems.hint = Some(format!(
            "There is no configuration file at {path}; {advice}"
        ));
        text = Ok(String::new());
    }
    (path.to_owned(), text)
}

/// The keys of a configuration file and their values, written as for a variable.
fn parse_file(
    text: &str,
    source: &ValueSource,
    problems: &mut ConfigProblems,
) -> Vec<(&'static str, String)> {
    let table = match text.parse::<toml::Table>() {
        Ok(table) => table,
        Err(error) => {
            let error = error.message();
            problems.add("config", Some(source), format!("is not TOML: {error}"));
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for (name, value) in table {
        match find_key(&name).and_then(|key| Ok((key.name, as_text(&value, key.kind)?))) {
            Ok(value) => found.push(value),
            Err(problem) => problems.add(&name, Some(source), problem),
        }
    }
    found
}

/// The key with this name, or the text of a problem.
fn find_key(name: &str) -> Result<&'static Key, String> {
    KEYS.iter().find(|key| key.name == name).ok_or_else(|| {
        let known: Vec<_> = KEYS.iter().map(|key| key.name).collect();
        format!("there is no such key; there are {}", known.join(", "))
    })
}

/// A value of the file, written as for a variable.
fn as_text(value: &toml::Value, kind: ValueKind) -> Result<String, &'static str> {
    const NO_LIST: &str = "must be a list of texts in quotes";
    const NO_LISTS: &str = "must be a list of lists of texts in quotes";
    match (kind, value) {
        (_, toml::Value::String(text)) => Ok(text.clone()),
        (ValueKind::List, toml::Value::Array(entries)) => join(entries, ",").ok_or(NO_LIST),
        (ValueKind::List, _) => Err(NO_LIST),
        (ValueKind::Lists, toml::Value::Array(lists)) => {
            let mut texts = Vec::with_capacity(lists.len());
            for list in lists {
                let entries = list.as_array().ok_or(NO_LISTS)?;
                if entries.is_empty() {
                    return Err("has an empty list in it");
                }
                texts.push(join(entries, "|").ok_or(NO_LISTS)?);
            }
            Ok(texts.join(","))
        }
        (ValueKind::Lists, _) => Err(NO_LISTS),
        (_, toml::Value::Boolean(flag)) => Ok(flag.to_string()),
        _ => Err("must be text in quotes, true or false"),
    }
}

/// Joins texts by `separator`; `None` if an entry is no text, or contains a comma or `|`.
fn join(entries: &[toml::Value], separator: &str) -> Option<String> {
    let texts = entries
        .iter()
        .map(|entry| entry.as_str().filter(|text| !text.contains([',', '|'])));
    Some(texts.collect::<Option<Vec<_>>>()?.join(separator))
}
