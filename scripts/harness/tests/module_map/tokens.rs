//! Splits Rust source into words and signs, each with its line.
//!
//! Comments, string literals and character literals are left out, and so is each item under
//! `#[cfg(test)]`. The scanner understands only as much of Rust as is needed to find paths.

/// A word, `::`, or one other sign.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// The tokens of a file without its tests.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    without_tests(&Scanner::new(source).scan())
}

struct Scanner {
    chars: Vec<char>,
    at: usize,
    line: usize,
}

impl Scanner {
    fn new(source: &str) -> Self {
        Self {
            chars: source.chars().collect(),
            at: 0,
            line: 1,
        }
    }

    fn scan(mut self) -> Vec<Token> {
        let mut found = Vec::new();
        while let Some(c) = self.peek(0) {
            let line = self.line;
            if c == '/' && self.peek(1) == Some('/') {
                while self.peek(0).is_some_and(|c| c != '\n') {
                    self.step();
                }
            } else if c == '/' && self.peek(1) == Some('*') {
                self.skip_block_comment();
            } else if c == '"' {
                self.skip_string();
            } else if c == '\'' {
                self.skip_character_or_lifetime();
            } else if let Some(hashes) = self.raw_string_hashes() {
                self.skip_raw_string(hashes);
            } else if c.is_alphanumeric() || c == '_' {
                let mut text = String::new();
                while let Some(c) = self.peek(0).filter(|c| c.is_alphanumeric() || *c == '_') {
                    text.push(c);
                    self.step();
                }
                // `r#type` is the word `type`; `b"…"` is a string literal.
                match (text.as_str(), self.peek(0)) {
                    ("r", Some('#')) => self.step(),
                    ("b" | "c", Some('"' | '\'')) => {}
                    _ => found.push(Token { text, line }),
                }
            } else if c == ':' && self.peek(1) == Some(':') {
                self.skip(2);
                found.push(Token {
                    text: "::".to_owned(),
                    line,
                });
            } else {
                self.step();
                if !c.is_whitespace() {
                    found.push(Token {
                        text: c.to_string(),
                        line,
                    });
                }
            }
        }
        found
    }

    /// The character `ahead` places after the current one.
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn step(&mut self) {
        if self.peek(0) == Some('\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    fn skip(&mut self, count: usize) {
        for _ in 0..count {
            self.step();
        }
    }

    fn skip_block_comment(&mut self) {
        let mut depth = 0;
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('*')) => depth += 1,
                ('*', Some('/')) => depth -= 1,
                _ => {
                    self.step();
                    continue;
                }
            }
            self.skip(2);
            if depth == 0 {
                return;
            }
        }
    }

    fn skip_string(&mut self) {
        self.step();
        while let Some(c) = self.peek(0) {
            self.step();
            match c {
                '\\' => self.step(),
                '"' => return,
                _ => {}
            }
        }
    }

    fn skip_character_or_lifetime(&mut self) {
        if self.peek(1) == Some('\\') {
            self.skip(3);
            while self.peek(0).is_some_and(|c| c != '\'') {
                self.step();
            }
            self.step();
        } else if self.peek(2) == Some('\'') {
            self.skip(3);
        } else {
            // A lifetime, whose name is no path.
            self.step();
            while self
                .peek(0)
                .is_some_and(|c| c.is_alphanumeric() || c == '_')
            {
                self.step();
            }
        }
    }

    /// The number of `#` of the raw string literal that begins here; `None` if none begins here.
    fn raw_string_hashes(&self) -> Option<usize> {
        let start = match (self.peek(0), self.peek(1)) {
            (Some('r'), _) => 1,
            (Some('b' | 'c'), Some('r')) => 2,
            _ => return None,
        };
        let after = self.chars.iter().skip(self.at + start);
        let hashes = after.take_while(|c| **c == '#').count();
        (self.peek(start + hashes) == Some('"')).then_some(hashes)
    }

    fn skip_raw_string(&mut self, hashes: usize) {
        while self.peek(0).is_some_and(|c| c != '"') {
            self.step();
        }
        self.step();
        while let Some(c) = self.peek(0) {
            self.step();
            if c == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                return self.skip(hashes);
            }
        }
    }
}

fn without_tests(tokens: &[Token]) -> Vec<Token> {
    const TEST_ONLY: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let next = tokens[at..].iter().map(|token| token.text.as_str());
        if next.take(TEST_ONLY.len()).eq(TEST_ONLY) {
            at = item_end(tokens, at + TEST_ONLY.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// The index after the item that starts at `at`: after its `;`, or after the braces of its body.
fn item_end(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" if depth == 0 => return at - 1,
            ")" | "]" => depth -= 1,
            "}" => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            ";" if depth == 0 => return at,
            _ => {}
        }
    }
    at
}
