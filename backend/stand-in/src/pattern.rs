//! Which requests are meant: a part of `METHOD /path?query`.
//!
//! `/token?grant_type=refresh_token` and `PUT /admin/users` are both good patterns. With a `$` at its end
//! a pattern matches at the end of the line only.

/// Whether the pattern means a request of this line.
pub(crate) fn matches(pattern: &str, line: &str) -> bool {
    match pattern.strip_suffix('$') {
        Some(end) => line.ends_with(end),
        None => line.contains(pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_pattern_can_be_held_to_the_end() {
        assert!(matches("POST /Verifications", "POST /Verifications/VE1"));
        assert!(!matches("/Verifications$", "POST /Verifications/VE1"));
        assert!(matches("/Verifications$", "POST /Verifications"));
    }
}
