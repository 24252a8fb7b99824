//! A migration's text as single statements.
//!
//! A semicolon ends a statement only outside of strings, quoted names, comments and dollar quotes. The
//! comments before a statement stay with it, since they may say what the statement itself does not.

/// One statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// With the comments before it.
    pub text: &'a str,
    /// From its first word on.
    pub body: &'a str,
}

/// Every statement of `sql`, in order.
pub fn split(sql: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut body = None;
    let mut at = 0;
    while at < sql.len() {
        let rest = &sql[at..];
        let length = token(rest);
        if rest.starts_with(';') {
            push(&mut pieces, sql, start, body.take(), at);
            start = at + length;
        } else if body.is_none() && !is_blank(rest) {
            body = Some(at);
        }
        at += length;
    }
    push(&mut pieces, sql, start, body, sql.len());
    pieces
}

fn push<'a>(
    pieces: &mut Vec<Piece<'a>>,
    sql: &'a str,
    start: usize,
    body: Option<usize>,
    end: usize,
) {
    if let Some(body) = body {
        pieces.push(Piece {
            text: sql[start..end].trim(),
            body: sql[body..end].trim_end(),
        });
    }
}

/// Whether `rest` begins with something that means nothing: a space or a comment.
pub(super) fn is_blank(rest: &str) -> bool {
    rest.starts_with(char::is_whitespace) || rest.starts_with("--") || rest.starts_with("/*")
}

/// How long the token at the beginning of `rest` is, at least one character.
pub(super) fn token(rest: &str) -> usize {
    let mut chars = rest.chars();
    let first = chars.next().expect("there is a rest");
    match first {
        '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
        '/' if rest.starts_with("/*") => block_comment(rest),
        '\'' => quoted(rest, '\'', Backslash::IsPlain),
        '"' => quoted(rest, '"', Backslash::IsPlain),
        'e' | 'E' if chars.next() == Some('\'') => 1 + quoted(&rest[1..], '\'', Backslash::Escapes),
        '$' => dollar_quoted(rest).unwrap_or(1),
        first if is_word(first) => rest.find(|c| !is_word(c) && c != '$').unwrap_or(rest.len()),
        first => first.len_utf8(),
    }
}

pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Backslash {
    Escapes,
    IsPlain,
}

/// A quote written twice ends one string and begins the next, which comes to the same.
fn quoted(rest: &str, quote: char, backslash: Backslash) -> usize {
    let mut escaped = true;
    for (at, c) in rest.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' && backslash == Backslash::Escapes {
            escaped = true;
        } else if c == quote {
            return at + quote.len_utf8();
        }
    }
    rest.len()
}

/// Comments of this kind nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// `$tag$ … $tag$`; `None` for a parameter such as `$1`.
fn dollar_quoted(rest: &str) -> Option<usize> {
    let tag_end = rest[1..].find(|c| !is_word(c))? + 1;
    if !rest[tag_end..].starts_with('$') || rest[1..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let tag = &rest[..=tag_end];
    let inside = &rest[tag.len()..];
    Some(
        inside
            .find(tag)
            .map_or(rest.len(), |end| tag.len() + end + tag.len()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(sql: &str) -> Vec<&str> {
        split(sql).iter().map(|piece| piece.body).collect()
    }

    #[test]
    fn semicolons_count_outside_of_quotes_alone() {
        assert_eq!(bodies("select 1; select 2"), ["select 1", "select 2"]);
        assert_eq!(bodies(";;\n; -- nothing\n"), [""; 0]);
        for whole in [
            "select ';'",
            "select 'it''s; one'",
            r"select E'it\'s; one'",
            r"select 'a\'",
            "select \"odd;name\"",
            "do $$ begin; end; $$",
            "do $body$ begin $$;$$; end $body$",
            "select /* ; /* ; */ ; */ 1",
            "select 1 -- ; not here\n+ 1",
            "select $1, a$b, 'x;'",
            "select 'never ends; ",
            "do $$ never ends; ",
            "select '👋;'",
        ] {
            assert_eq!(bodies(whole), [whole.trim_end()]);
            let two = format!("{whole}; select 2");
            if !whole.contains("never") {
                assert_eq!(bodies(&two), [whole, "select 2"]);
            }
        }
    }

    #[test]
    fn comments_stay_with_the_statement_that_follows() {
        let pieces =
            split("-- of one\nselect 1;\n\n-- of two\n/* and more */ select 2;\n-- of none\n");
        let texts: Vec<&str> = pieces.iter().map(|piece| piece.text).collect();
        assert_eq!(
            texts,
            ["-- of one\nselect 1", "-- of two\n/* and more */ select 2"]
        );
        assert_eq!(pieces[1].body, "select 2");
    }
}
