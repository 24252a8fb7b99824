//! The persona: the name under which replies are written, and by which a group speaks to it.

/// The persona's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Persona {
    name: String,
    lower: String,
}

impl Persona {
    pub fn new(name: impl Into<String>) -> Self {
        let name = name.into();
        let lower = name.to_lowercase();
        Self { name, lower }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the name stands as a word in the text, in any capitals, also in possessive form (“sage's”) or after
    /// `@`. It does not stand in “message”.
    pub fn is_named_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        text.match_indices(&self.lower).any(|(start, name)| {
            let before = text[..start].chars().next_back();
            let after = text[start + name.len()..].chars().next();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
    }
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
        ] {
            assert!(sage.is_named_in(text), "{text}");
        }
        for text in ["", "message", "sages", "sage_x", "usage", "a sagebrush"] {
            assert!(!sage.is_named_in(text), "{text}");
        }
        assert!(Persona::new("Zoë").is_named_in("hallo zoË!"));
    }
}
