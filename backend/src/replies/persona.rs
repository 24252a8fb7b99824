//! The persona: the name under which replies are written, and by which a group speaks to it.

/// The persona's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Persona {
    name: String,
    /// The name as it is looked for.
    plain: String,
}

impl Persona {
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let plain = plain(&name);
        Self { name, plain }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the name stands as a word in the text, in any capitals, also in possessive form (“sage's”) or after
    /// `@`. It does not stand in “message”, nor in the address of a page or a mailbox.
    pub fn is_named_in(&self, text: &str) -> bool {
        let text = plain(text);
        text.match_indices(&self.plain).any(|(start, name)| {
            let before = text[..start].chars().next_back();
            let after = text[start + name.len()..].chars().next();
            !before.is_some_and(continues_word) && !after.is_some_and(continues_word)
        })
    }
}

/// The text in lower case with one kind of spaces and apostrophes, and without addresses.
fn plain(text: &str) -> String {
    let words: Vec<&str> = text
        .split_whitespace()
        .filter(|word| !is_address(word))
        .collect();
    words.join(" ").to_lowercase().replace(['’', 'ʼ'], "'")
}

/// Whether the word is the address of a page or a mailbox.
fn is_address(word: &str) -> bool {
    let is_mailbox = || {
        let (name, host) = word.split_once('@').unwrap_or_default();
        name.ends_with(char::is_alphanumeric) && host.contains('.')
    };
    word.contains("://") || word.starts_with("www.") || is_mailbox()
}

/// Whether a character beside the name makes it a part of a longer word. In scripts that write without spaces, or join
/// particles to names, every name stands beside other letters.
fn continues_word(c: char) -> bool {
    let is_of_joining_script = matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' // Thai, Lao, Burmese, Khmer
        | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' // Japanese, Chinese, Korean
    );
    let is_combining_mark = matches!(c, '\u{300}'..='\u{36f}');
    !is_of_joining_script && (c.is_alphanumeric() || c == '_' || is_combining_mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_counts_as_a_word() {
        let sage = Persona::new("Sage");
        for text in [
            "sage",
            "hey Sage!",
            "@sage what",
            "SAGE's plan",
            "ask\nsage,",
            "(sage)",
            "❤️sage👍🏽",
            "¿sage?",
            "Was meinst du,SAGE…",
            "\u{200e}Sage\u{200f}",
            "sage\u{a0}?",
            "请sage看一下",
            "sageさん、いつ？",
            "sage야 뭐해",
            "http://example.com or sage.",
            "lunch?@sage",
        ] {
            assert!(sage.is_named_in(text), "{text}");
        }
        for text in [
            "",
            "message",
            "sages",
            "sage_x",
            "usage",
            "a sagebrush",
            "sage2",
            "sagé",
            "sage\u{301}",
            "ſage",
            "see https://sage.example.com/sage",
            "www.sage.com",
            "write to sage@example.com or ann@sage.com",
            "с\u{430}ge",
        ] {
            assert!(!sage.is_named_in(text), "{text}");
        }
        assert!(Persona::new("Zoë").is_named_in("hallo zoË!"));
        let neil = Persona::new("Mary O'Neil");
        assert!(neil.is_named_in("thanks,  MARY\nO’Neil’s the best"));
        assert!(!neil.is_named_in("Mary and O'Neil"));
        assert!(Persona::new("陽菜").is_named_in("ねえ陽菜ちゃん"));
    }
}
