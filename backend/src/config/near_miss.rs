//! Misspelt settings. A variable such as `OTP_PER_DY` changes nothing, and no error would show that.
//!
//! The list of settings is `.env.example`.

use super::{Problems, Variables};

const EXAMPLE: &str = include_str!("../../../.env.example");
/// How many letters of a misspelt name may be wrong, missing or too many.
const MAX_DISTANCE: usize = 2;

/// Every setting.
pub(super) fn settings() -> impl Iterator<Item = &'static str> {
    EXAMPLE.lines().filter_map(|line| {
        let (name, _) = line.trim_start_matches('#').split_once('=')?;
        let is_name = name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        (is_name && !name.is_empty()).then_some(name)
    })
}

/// Warns of each variable whose name is nearly that of a setting.
pub(super) fn warn(variables: &Variables, warnings: &mut Problems) {
    for name in variables.names() {
        if let Some(meant) = meant_by(name) {
            warnings.push(
                meant,
                format!("{name} is set, which is no setting; is this one meant?"),
            );
        }
    }
}

/// The setting that a misspelt name is nearest to; none for a setting itself. Only settings with the same
/// first word are compared, since other programs have variables too.
fn meant_by(name: &str) -> Option<&'static str> {
    let (family, _) = name.split_once('_')?;
    if settings().any(|setting| setting == name) {
        return None;
    }
    settings()
        .filter(|setting| setting.split_once('_').is_some_and(|(of, _)| of == family))
        .map(|setting| (strsim::damerau_levenshtein(setting, name), setting))
        .filter(|(distance, _)| *distance <= MAX_DISTANCE)
        .min()
        .map(|(_, setting)| setting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_setting_is_named() {
        for (name, meant) in [
            ("OTP_PER_DY", Some("OTP_PER_DAY")),
            ("OTP_PER_DAYS", Some("OTP_PER_DAY")),
            ("SESSION_SECERT", Some("SESSION_SECRET")),
            ("SUPABASE_ANNON_KEY", Some("SUPABASE_ANON_KEY")),
            ("WEB_ORIGIN", Some("WEB_ORIGINS")),
            ("RELAY_WEBHOOK_SECRETS", Some("RELAY_WEBHOOK_SECRET")),
            ("OTP_PER_DAY", None),
            ("HOSTNAME", None),
            ("LOG_COLOUR", None),
            ("RAILWAY_SERVICE_NAME", None),
            ("PATH", None),
        ] {
            assert_eq!(meant_by(name), meant, "{name}");
        }
    }

    /// The example is the list of settings: what the code reads stands in it.
    #[test]
    fn the_example_names_every_setting_that_is_read() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config");
        let known: Vec<&str> = settings().collect();
        assert!(known.len() > 40, "{known:?}");
        let mut read = 0;
        for entry in std::fs::read_dir(folder).expect("the folder") {
            let path = entry.expect("an entry").path();
            if path.ends_with("tests.rs") || path.is_dir() {
                continue;
            }
            let text = std::fs::read_to_string(path).expect("read");
            let text = text.split("#[cfg(test)]").next().expect("a beginning");
            for part in text.split("variables.get(\"").skip(1) {
                let name = part.split('"').next().expect("a name");
                // The Postgres driver's own.
                if name.starts_with("PG") {
                    continue;
                }
                assert!(known.contains(&name), "{name} is not in .env.example");
                read += 1;
            }
        }
        assert!(read > 10, "{read} were found");
    }
}
