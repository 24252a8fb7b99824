//! Replaces texts, addresses and names of people by made-up ones.
//!
//! Each character of a text becomes one of the same kind, with the same number of bytes and UTF-16 units. White
//! space, punctuation, joiners and placeholders stay. The replacement is derived from a keyed hash of the whole
//! text: equal texts get equal replacements, and the text cannot be recovered without the salt.

use std::collections::HashMap;

use messages_script::{Attribute, Piece, is_mark};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha256};

use super::Redaction;

/// Replaces texts, addresses and names, or leaves all as it is if redaction is off.
#[derive(Debug)]
pub(super) struct Redactor {
    salt: Option<[u8; 32]>,
    /// Replacements by address in lower case.
    addresses: HashMap<String, String>,
}

impl Redactor {
    pub(super) fn new(redaction: &Redaction) -> Self {
        let salt = match redaction {
            Redaction::Off => None,
            Redaction::On { salt } => Some(*salt),
        };
        Self {
            salt,
            addresses: HashMap::new(),
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.salt.is_some()
    }

    /// Redacts a text that a person wrote.
    pub(super) fn text(&self, text: &str) -> String {
        let Some(salt) = self.salt else {
            return text.to_owned();
        };
        let mut letters = Letters::new(&salt, text);
        let words = text.split_inclusive(char::is_whitespace).map(|word| {
            // A link gets the same replacement as in the row that shows its preview.
            let url = word.trim_end();
            if url.starts_with("https://") || url.starts_with("http://") {
                format!("{}{}", self.link(url), &word[url.len()..])
            } else {
                word.chars().map(|c| letters.replace(c)).collect()
            }
        });
        words.collect()
    }

    /// Redacts a phone number, e-mail address, short code or business id.
    pub(super) fn address(&mut self, address: &str) -> String {
        if self.salt.is_none() {
            return address.to_owned();
        }
        // Another row may write the same address with other capitals, or with invisible marks around it. Both
        // rows get the same replacement, which keeps the marks, and one capital if there was any.
        let bare = address.trim_matches(is_mark);
        if bare.is_empty() {
            return address.to_owned();
        }
        let number = self.addresses.len() + 1;
        let entry = self.addresses.entry(bare.to_lowercase());
        let replacement = entry.or_insert_with(|| fictional(bare, number)).clone();
        let replacement = if bare.contains('@') && bare.chars().any(char::is_uppercase) {
            replacement.replacen('u', "U", 1)
        } else {
            replacement
        };
        address.replacen(bare, &replacement, 1)
    }

    /// Redacts an own account: an address with a prefix such as `P:`, `E:` or `tel:`.
    pub(super) fn account(&mut self, account: &str) -> String {
        match account.split_once(':') {
            Some((kind, address))
                if ["p", "e", "tel", "mailto"].contains(&kind.to_lowercase().as_str()) =>
            {
                format!("{kind}:{}", self.address(address))
            }
            _ => self.address(account),
        }
    }

    /// Redacts the address at the end of a direct chat's guid. The guid of a group has only random ids.
    pub(super) fn chat_guid(&mut self, guid: &str) -> String {
        match guid.rsplit_once(";-;") {
            Some((prefix, address)) => format!("{prefix};-;{}", self.address(address)),
            None => guid.to_owned(),
        }
    }

    /// Redacts the name or path of a file, except folders of Messages and the file extension.
    pub(super) fn file(&self, path: &str) -> String {
        if self.salt.is_none() {
            return path.to_owned();
        }
        // The path of the home folder contains the owner's name.
        let path = path
            .find("/Library/Messages/")
            .map_or_else(|| path.to_owned(), |at| format!("~{}", &path[at..]));
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let dot = if name.contains('.') { "." } else { "" };
        let slash = if path.contains('/') { "/" } else { "" };
        let folder = if folder.starts_with("~/Library/Messages") {
            folder.to_owned()
        } else {
            self.text(folder)
        };
        format!("{folder}{slash}{}{dot}{extension}", self.text(stem))
    }

    /// Redacts the runs of a body, each by itself.
    pub(super) fn runs(&mut self, runs: Vec<Piece>) -> Vec<Piece> {
        if self.salt.is_none() {
            return runs;
        }
        let runs = runs.into_iter().map(|run| Piece {
            text: self.text(&run.text),
            part: run.part,
            attributes: run
                .attributes
                .into_iter()
                .map(|a| self.attribute(a))
                .collect(),
        });
        runs.collect()
    }

    fn attribute(&mut self, attribute: Attribute) -> Attribute {
        match attribute {
            Attribute::Mention(address) => Attribute::Mention(self.address(&address)),
            Attribute::Link(url) => Attribute::Link(self.link(&url)),
            Attribute::OneTimeCode(code) => Attribute::OneTimeCode(self.text(&code)),
            Attribute::Transcription(text) => Attribute::Transcription(self.text(&text)),
            Attribute::Breadcrumb(text) => Attribute::Breadcrumb(self.text(&text)),
            Attribute::Filename(name) => Attribute::Filename(self.file(&name)),
            Attribute::DataDetected(data) => Attribute::DataDetected(vec![0; data.len()]),
            Attribute::Other(name, text) => Attribute::Other(name, self.text(&text)),
            technical @ (Attribute::Attachment(_)
            | Attribute::RichLink
            | Attribute::Bold
            | Attribute::TextEffect(_)
            | Attribute::WritingDirection(_)) => technical,
        }
    }

    /// Redacts a URL except its scheme, because Messages treats `tel:` and `https:` in different ways.
    pub(super) fn link(&self, url: &str) -> String {
        match url.split_once(':') {
            Some((scheme @ ("http" | "https" | "tel" | "mailto" | "sms" | "data"), rest)) => {
                format!("{scheme}:{}", self.text(rest))
            }
            _ => self.text(url),
        }
    }
}

/// The replacement of the address that is the `number`th one in the recording.
fn fictional(address: &str, number: usize) -> String {
    let length = address.len();
    if let Some(digits) = address.strip_prefix('+') {
        let width = digits.len().saturating_sub(4).max(7);
        return format!("+1555{:0width$}", 100 + number);
    }
    if address.contains('@') {
        const DOMAIN: &str = "@example.com";
        let width = length.saturating_sub(DOMAIN.len());
        return format!("{:x<width$}{DOMAIN}", format!("u{number}"));
    }
    if address.starts_with("urn:biz:") {
        return format!("urn:biz:00000000-0000-4000-8000-{number:012}");
    }
    // A short code or a name, perhaps with the mark of Apple's filter, as in `56249(smsfp)`.
    let (bare, filter) = address
        .find('(')
        .map_or((address, ""), |at| address.split_at(at));
    let is_number = bare.bytes().all(|byte| byte.is_ascii_digit());
    let prefix = if is_number { "555" } else { "SENDER" };
    let width = bare.len().saturating_sub(prefix.len()).max(1);
    format!("{prefix}{number:0width$}{filter}")
}

/// Made-up characters, drawn from random numbers that depend on the salt and a text.
struct Letters(StdRng);

impl Letters {
    fn new(salt: &[u8; 32], text: &str) -> Self {
        let seed = Sha256::new()
            .chain_update(salt)
            .chain_update(text)
            .finalize();
        Self(StdRng::from_seed(seed.into()))
    }

    /// The next made-up character of the same kind as `c`.
    fn replace(&mut self, c: char) -> char {
        if c.is_ascii_lowercase() {
            self.0.random_range('a'..='p')
        } else if c.is_ascii_uppercase() {
            self.0.random_range('A'..='P')
        } else if c.is_ascii_digit() {
            self.0.random_range('0'..='9')
        } else if c.is_ascii() || is_kept(c) {
            c
        } else {
            match c.len_utf8() {
                2 => 'ø',
                3 if c.is_alphanumeric() => '文',
                3 => '☆',
                _ => '🙂',
            }
        }
    }
}

/// Whether redaction keeps a character that is not ASCII. Such a character reveals nothing about a person, and
/// decoders may have faults with it.
fn is_kept(c: char) -> bool {
    let joiner_or_placeholder = matches!(c,
        '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2064}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FFFC}' | '\u{FFFD}' | '\u{FEFF}'
        | '\u{0300}'..='\u{036F}' | '\u{20D0}'..='\u{20FF}' | '\u{1F3FB}'..='\u{1F3FF}');
    let punctuation =
        matches!(c, '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205E}' | '\u{00A0}'..='\u{00BF}');
    joiner_or_placeholder || punctuation || c.is_whitespace()
}
