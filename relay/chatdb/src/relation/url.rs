//! Finds web addresses in texts and links, in a normal form by which they are compared.
//!
//! Two addresses are the same if their whole normal forms are equal. A part of an address is another
//! address: `https://example.com` is not the link of a text that contains `https://example.com/docs`.

use hex::FromHex;
use url::Url;

use super::emoji;
use super::quote::is_blank;

/// Longest text in bytes that can be an address.
const MAX_BYTES: usize = 8 * 1024;
/// Most addresses of one text that are read.
const MAX_IN_TEXT: usize = 64;

/// An address in its normal form. http and https are left out, since they lead to the same page; an address of
/// another scheme keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WebAddress(String);

impl WebAddress {
    /// The address, if `text` is nothing else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches(is_blank);
        if text.is_empty() || text.len() > MAX_BYTES || text.contains(is_blank) {
            return None;
        }
        match scheme(text) {
            Some("http" | "https") => Self::of_web(&Url::parse(text).ok()?),
            Some(_) => Url::parse(text).ok().map(|url| Self(url.into())),
            None if has_domain(text) => Self::of_web(&Url::parse(&format!("http://{text}")).ok()?),
            None => None,
        }
    }

    /// The addresses in `text`, with or without a scheme.
    pub(super) fn all_in(text: &str) -> Vec<Self> {
        let mut found = Vec::new();
        for word in text.split(is_blank).filter(|word| word.contains('.')) {
            for candidate in candidates(word) {
                if found.len() == MAX_IN_TEXT {
                    return found;
                }
                found.extend(Self::parse(candidate).filter(|address| !found.contains(address)));
            }
        }
        found
    }

    /// The address of an http or https URL.
    fn of_web(url: &Url) -> Option<Self> {
        let host = url.host_str()?;
        let host = host.strip_suffix('.').unwrap_or(host);
        let mut form = String::new();
        if !url.username().is_empty() || url.password().is_some() {
            form.push_str(url.username());
            if let Some(password) = url.password() {
                form.push(':');
                form.push_str(password);
            }
            form.push('@');
        }
        form.push_str(host);
        if let Some(port) = url.port() {
            form.push(':');
            form.push_str(&port.to_string());
        }
        let path = escaped(url.path(), DELIMITERS_OF_PATHS);
        form.push_str(path.strip_suffix('/').unwrap_or(&path));
        // An address with an empty query or fragment is the same as without.
        for (mark, part) in [('?', url.query()), ('#', url.fragment())] {
            if let Some(part) = part.filter(|part| !part.is_empty()) {
                form.push(mark);
                form.push_str(&escaped(part, DELIMITERS_OF_QUERIES));
            }
        }
        Some(Self(form))
    }
}

/// The parts of a word that may be addresses, each with all its [`endings`]. An address begins at a scheme. A second
/// scheme begins another address only after a character that [`separates`]; elsewhere it is a part of the first
/// address. A word without a scheme may be one address, which begins at the first letter or
/// digit, or at `www.` after an East Asian character.
fn candidates(word: &str) -> Vec<&str> {
    let lower = word.to_ascii_lowercase();
    let mut starts: Vec<usize> = Vec::new();
    for scheme in ["http://", "https://"] {
        starts.extend(lower.match_indices(scheme).map(|(at, _)| at));
    }
    starts.sort_unstable();
    let mut kept: Vec<usize> = Vec::new();
    for start in starts {
        let before = word[..start].chars().next_back();
        if kept.is_empty() || before.is_some_and(separates) {
            kept.push(start);
        }
    }
    if kept.is_empty() {
        let bare = word.trim_start_matches(|c: char| !c.is_alphanumeric());
        let bare = match lower.find("www.") {
            // Scripts without spaces between words have none before an address either.
            Some(at) if word[..at].ends_with(is_east_asian) => &word[at..],
            _ => bare,
        };
        let host_end = bare.find(['/', '?', '#']).unwrap_or(bare.len());
        // `name@example.com` is a mailbox and no web address.
        if bare[..host_end].contains('@') {
            return Vec::new();
        }
        return endings(bare);
    }
    let ends = kept.iter().skip(1).copied().chain([word.len()]);
    kept.iter()
        .zip(ends)
        .flat_map(|(start, end)| endings(&word[*start..end]))
        .collect()
}

/// An address without the punctuation at its end, and versions of it that end earlier. The text may go
/// on without a space, so one version ends before the first East Asian character, one before the first
/// emoji, one before a genitive `'s`, and one before marks of style such as `**`.
fn endings(address: &str) -> Vec<&str> {
    let whole = without_closing(address);
    let before = |at: usize| without_closing(&address[..at]);
    let before_east_asian = address.find(is_east_asian).map(before);
    let before_emoji = (!address.is_ascii())
        .then(|| {
            emoji::ranges(address)
                .first()
                .map(|place| before(place.start))
        })
        .flatten();
    let without_genitive = ["'s", "’s"].iter().find_map(|s| whole.strip_suffix(s));
    let mut endings: Vec<&str> = [
        Some(whole),
        before_east_asian,
        before_emoji,
        without_genitive,
    ]
    .into_iter()
    .flatten()
    .collect();
    for at in 0..endings.len() {
        let plain = endings[at].trim_end_matches(is_mark_of_style);
        if plain.len() < endings[at].len() {
            endings.push(without_closing(plain));
        }
    }
    endings.retain(|ending| !ending.is_empty());
    endings
}

/// Characters that mark bold, italic, struck or hidden text in plain text.
fn is_mark_of_style(c: char) -> bool {
    matches!(c, '*' | '_' | '~' | '`' | '|')
}

/// An address without the punctuation at its end, and without closing brackets that it does not open.
fn without_closing(mut address: &str) -> &str {
    while let Some(last) = address.chars().next_back() {
        let opening = match last {
            ')' => Some('('),
            ']' => Some('['),
            '}' => Some('{'),
            _ => None,
        };
        let is_unbalanced = opening.is_some_and(|opening| {
            address.matches(opening).count() < address.matches(last).count()
        });
        if !is_unbalanced && !is_closing(last) {
            break;
        }
        address = &address[..address.len() - last.len_utf8()];
    }
    address
}

/// Punctuation of the sentence around an address.
fn is_closing(c: char) -> bool {
    matches!(
        c,
        '.' | ','
            | ';'
            | ':'
            | '!'
            | '?'
            | '…'
            | '"'
            | '\''
            | '>'
            | '“'
            | '”'
            | '„'
            | '‘'
            | '’'
            | '«'
            | '»'
            | '‹'
            | '›'
            | '\u{3001}'
            | '\u{3002}'
            | '\u{3008}'
            ..='\u{3011}'
                | '\u{ff01}'
                | '\u{ff08}'
                | '\u{ff09}'
                | '\u{ff0c}'
                | '\u{ff1a}'
                | '\u{ff1b}'
                | '\u{ff1f}'
    )
}

/// Whether a further address may begin after this character.
fn separates(c: char) -> bool {
    is_closing(c) && !matches!(c, '.' | ':' | '?' | '!')
        || matches!(c, '|' | '<' | '(' | ')' | '[' | ']' | '{' | '}')
        || is_east_asian(c)
}

/// Han, Kana, Hangul and their punctuation.
fn is_east_asian(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}' | '\u{ff00}'..='\u{ff60}')
}

/// The scheme of an address, if it has one.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    if !is_scheme {
        return None;
    }
    for web in ["http", "https"] {
        if scheme.eq_ignore_ascii_case(web) {
            return Some(web);
        }
    }
    // `example.com:8080/a` has a port and no scheme.
    rest.starts_with("//").then_some(scheme)
}

/// Whether a text without a scheme begins with a domain name of at least two labels, such as `example.com`.
fn has_domain(text: &str) -> bool {
    let end = text.find(['/', '?', '#', ':']).unwrap_or(text.len());
    let host = &text[..end];
    let host = host.strip_suffix('.').unwrap_or(host);
    let Some((name, top)) = host.rsplit_once('.') else {
        return false;
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_') || !c.is_ascii())
    };
    let is_top_level_domain = top.chars().count() >= 2
        && (top.chars().all(char::is_alphabetic) || top.to_ascii_lowercase().starts_with("xn--"));
    is_top_level_domain && name.split('.').all(is_label)
}

/// Characters of a path that have the same meaning escaped and unescaped. `/` and `?` are not among them: only
/// unescaped do they end a name in the path.
const DELIMITERS_OF_PATHS: &[u8] = b"!$'()*,:;@&=+";
/// Characters of a query or fragment that have the same meaning escaped and unescaped. `&`, `=`, `;` and
/// `+` are not among them, since they separate fields.
const DELIMITERS_OF_QUERIES: &[u8] = b"!'()*,:@/";

/// A path, query or fragment with its escapes in one form. `%7e` becomes `~`, and `%28` becomes `(` if
/// that is one of `delimiters`. A character that must be escaped is escaped, in capitals.
fn escaped(part: &str, delimiters: &[u8]) -> String {
    let bytes = part.as_bytes();
    let mut form = String::with_capacity(part.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits = (byte == b'%').then(|| bytes.get(at + 1..at + 3)).flatten();
        let escape = digits.and_then(|digits| <[u8; 1]>::from_hex(digits).ok());
        match escape {
            Some([escape]) if is_unreserved(escape) || delimiters.contains(&escape) => {
                form.push(char::from(escape));
            }
            Some([escape]) => push_escape(&mut form, escape),
            None if is_unreserved(byte) || is_delimiter(byte) => form.push(char::from(byte)),
            None => push_escape(&mut form, byte),
        }
        at += if escape.is_some() { 3 } else { 1 };
    }
    form
}

fn push_escape(form: &mut String, byte: u8) {
    form.push('%');
    form.push_str(&hex::encode_upper([byte]));
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Characters that are allowed unescaped in a path, query or fragment and have a meaning there.
fn is_delimiter(byte: u8) -> bool {
    b"!$&'()*+,;=:@/?".contains(&byte)
}

#[cfg(test)]
mod tests;
