//! The embedded migrations, and their text split into statements.
//!
//! A semicolon ends a statement only outside of strings, quoted names, line comments and dollar quotes. Block
//! comments and strings with escaped quotes are not supported, and no migration has them: a test runs each
//! statement alone, which fails on a statement that was split in the wrong place.

use std::collections::BTreeSet;

use sqlx::migrate::Migrator;

pub static MIGRATIONS_POSTGRES: Migrator = sqlx::migrate!("../migrations/postgres");
pub static MIGRATIONS_SQLITE: Migrator = sqlx::migrate!("../migrations/sqlite");

/// The maximum length of a [`summary`].
const SUMMARY_CHARS: usize = 80;

/// Every statement of `sql`, without the comments before it.
pub fn split(sql: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut start = None;
    let mut at = 0;
    while at < sql.len() {
        let rest = &sql[at..];
        if rest.starts_with(';') {
            statements.extend(start.take().map(|start| sql[start..at].trim_end()));
        } else if !rest.starts_with("--") && !rest.starts_with(char::is_whitespace) {
            start.get_or_insert(at);
        }
        at += token_len(rest);
    }
    statements.extend(start.map(|start| sql[start..].trim_end()));
    statements
}

/// The length of the comment, the quoted text or the character at the beginning of `rest`.
fn token_len(rest: &str) -> usize {
    let first = rest.chars().next().expect("`rest` is not empty");
    let quote = match first {
        '-' if rest.starts_with("--") => return rest.find('\n').unwrap_or(rest.len()),
        // A doubled quote ends one string and begins the next, with the same result.
        '\'' | '"' => &rest[..1],
        '$' => dollar_quote(rest).unwrap_or_default(),
        _ => "",
    };
    if quote.is_empty() {
        return first.len_utf8();
    }
    let inside = &rest[quote.len()..];
    let end = inside
        .find(quote)
        .map(|end| quote.len() + end + quote.len());
    end.unwrap_or(rest.len())
}

/// `$$` or `$tag$`; `None` for a parameter such as `$1`.
fn dollar_quote(rest: &str) -> Option<&str> {
    let end = rest[1..].find('$')? + 1;
    let is_tag =
        |tag: &str| tag.chars().all(is_word) && !tag.starts_with(|c: char| c.is_ascii_digit());
    is_tag(&rest[1..end]).then(|| &rest[..=end])
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The beginning of a statement on one line, without comments.
pub(super) fn summary(statement: &str) -> String {
    let lines = statement.lines();
    let code = lines.filter_map(|line| line.split("--").next());
    let words: Vec<&str> = code.flat_map(str::split_whitespace).collect();
    let line = words.join(" ");
    if line.chars().count() <= SUMMARY_CHARS {
        return line;
    }
    let mut clipped: String = line.chars().take(SUMMARY_CHARS - 1).collect();
    clipped.push('…');
    clipped
}

/// Whether a statement has the name of `table` among its words.
pub(super) fn names_table(statement: &str, table: &str) -> bool {
    statement.split(|c| !is_word(c)).any(|word| word == table)
}

/// The tables that exist once every migration has run, read from the migrations, so that no second list of them can
/// be wrong.
pub fn tables(migrator: &Migrator) -> BTreeSet<String> {
    let mut tables = BTreeSet::new();
    for migration in migrator.iter() {
        for statement in split(migration.sql.as_str()) {
            let words: Vec<&str> = statement.split_whitespace().collect();
            match words[..] {
                ["create", "table", "if", "not", "exists", table, ..]
                | ["create", "table", table, ..] => {
                    tables.insert(table.to_owned());
                }
                ["drop", "table", "if", "exists", table] | ["drop", "table", table] => {
                    tables.remove(table);
                }
                ["alter", "table", old, "rename", "to", new] => {
                    tables.remove(old);
                    tables.insert(new.to_owned());
                }
                _ => {}
            }
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_semicolon_inside_quotes_ends_no_statement() {
        assert_eq!(split("select 1; select 2"), ["select 1", "select 2"]);
        assert_eq!(split(";;\n; -- nothing\n"), [""; 0]);
        for whole in [
            "select ';'",
            "select 'it''s; one'",
            r"select 'a\'",
            "select \"odd;name\"",
            "do $$ begin; end; $$",
            "do $body$ begin $$;$$; end $body$",
            "select 1 -- ; not here\n+ 1",
            "select $1, a$b, 'x;'",
            "select 'never ends; ",
            "do $$ never ends; ",
            "select '👋;'",
        ] {
            assert_eq!(split(whole), [whole.trim_end()]);
            let two = format!("{whole}; select 2");
            if !whole.contains("never") {
                assert_eq!(split(&two), [whole, "select 2"]);
            }
        }
    }

    #[test]
    fn comments_before_a_statement_are_not_part_of_it() {
        let text = "-- of one;\nselect 1;\n\n-- of 'two\n select 2 -- and $$\n;\n-- of none\n";
        assert_eq!(split(text), ["select 1", "select 2 -- and $$"]);
    }

    #[test]
    fn a_summary_is_one_short_line() {
        let text = "create table t (\n  -- why\n  id uuid, -- its id\n  name text\n)";
        assert_eq!(summary(text), "create table t ( id uuid, name text )");
        let long = summary(&"é ".repeat(SUMMARY_CHARS));
        assert_eq!(long.chars().count(), SUMMARY_CHARS);
        assert!(long.ends_with("é…"), "{long}");
    }

    #[test]
    fn a_table_is_named_by_a_whole_word_only() {
        let text = "create index by_user on messages(user_id)";
        assert!(names_table(text, "messages"));
        assert!(!names_table(text, "user") && !names_table(text, "message"));
    }
}
