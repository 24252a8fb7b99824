//! Reads one module: the modules that it declares, its imports, and the paths that it names.

use std::collections::BTreeMap;

use crate::tokens::Token;

/// The contents of a module, read from its tokens.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Child modules that have a file of their own.
    pub(crate) files: Vec<String>,
    /// Child modules written in braces, with their tokens.
    pub(crate) inline: Vec<(String, Vec<Token>)>,
    /// The imported path of each name that an import brings into the module.
    pub(crate) names: BTreeMap<String, Vec<String>>,
    /// Each imported or written-out path, with its line.
    pub(crate) paths: Vec<(Vec<String>, usize)>,
    /// The path of each glob import (`use path::*`), with its line.
    pub(crate) globs: Vec<(Vec<String>, usize)>,
}

impl Contents {
    pub(crate) fn read(tokens: &[Token]) -> Self {
        let mut contents = Self::default();
        let mut at = 0;
        while at < tokens.len() {
            let text = |ahead: usize| tokens.get(at + ahead).map_or("", |t| t.text.as_str());
            if text(0) == "mod" && is_word(text(1)) && text(2) == ";" {
                contents.files.push(text(1).to_owned());
                at += 3;
            } else if text(0) == "mod" && is_word(text(1)) && text(2) == "{" {
                let name = text(1).to_owned();
                let end = closing_brace(tokens, at + 2);
                contents.inline.push((name, tokens[at + 3..end].to_vec()));
                at = end + 1;
            } else if text(0) == "use" && text(1) != "<" {
                // `use<…>` lists the lifetimes that a return type captures, and imports nothing.
                at = contents.import(tokens, at + 1, &[]);
            } else if text(0) == "in" && at > 0 && tokens[at - 1].text == "(" {
                // The path of `pub(in path)` is a visibility and no dependency.
                at += 1;
                while tokens.get(at).is_some_and(|token| token.text != ")") {
                    at += 1;
                }
            } else if is_word(text(0)) && text(1) == "::" && !continues(tokens, at) {
                let line = tokens[at].line;
                let mut path = vec![text(0).to_owned()];
                at += 1;
                while let [sign, word, ..] = &tokens[at..]
                    && sign.text == "::"
                    && is_word(&word.text)
                {
                    path.push(word.text.clone());
                    at += 2;
                }
                contents.paths.push((path, line));
            } else {
                at += 1;
            }
        }
        contents
    }

    /// Reads the imports of a `use` item, or of braces in it whose path so far is `prefix`. Returns the index of the
    /// token after them.
    fn import(&mut self, tokens: &[Token], mut at: usize, prefix: &[String]) -> usize {
        let mut path = prefix.to_vec();
        let mut alias = None;
        let line = tokens[at].line;
        while let Some(token) = tokens.get(at) {
            match token.text.as_str() {
                // `::name` names another crate.
                "::" if path.is_empty() => path.push("::".to_owned()),
                "::" => {}
                "{" => {
                    let end = closing_brace(tokens, at);
                    at += 1;
                    while at < end {
                        at = self.import(tokens, at, &path);
                        at += usize::from(at < end && tokens[at].text == ",");
                    }
                    return end + 1;
                }
                "*" => {
                    self.globs.push((path, line));
                    return at + 1;
                }
                "as" => {
                    alias = tokens.get(at + 1).map(|token| token.text.clone());
                    at += 1;
                }
                "self" if !path.is_empty() => {}
                word if is_word(word) => path.push(word.to_owned()),
                _ => break,
            }
            at += 1;
        }
        if let Some(name) = alias.or_else(|| path.last().cloned()) {
            self.names.insert(name, path.clone());
            self.paths.push((path, line));
        }
        at
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Whether the word at `at` continues a path or follows a value and a dot.
fn continues(tokens: &[Token], at: usize) -> bool {
    at > 0 && matches!(tokens[at - 1].text.as_str(), "::" | ".")
}

/// The index of the brace that closes the one at `at`.
fn closing_brace(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    tokens.len()
}
