//! Labels of devices, such as `Safari on iPhone`, by which people recognise their sessions.
//!
//! A label is coarse on purpose: it distinguishes a phone from a laptop, but does not identify a person.

/// A longer `User-Agent` is cut.
const MAX_BYTES: usize = 512;

/// Pairs of a part of the `User-Agent` and a name. The first match counts, because Edge's `User-Agent` also contains
/// `Chrome/`, and Chrome's contains `Safari/`.
const BROWSERS: [(&str, &str); 7] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Macintosh", "Mac"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// The label for a `User-Agent`; `None` if it names no known browser or system.
pub fn label(user_agent: Option<&[u8]>) -> Option<String> {
    let bytes = user_agent?;
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_BYTES)]);
    let find = |names: &[(&str, &'static str)]| {
        names
            .iter()
            .find(|(part, _)| text.contains(part))
            .map(|(_, name)| *name)
    };
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => Some(format!("{browser} on {system}")),
        (Some(name), None) | (None, Some(name)) => Some(name.to_owned()),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_names_only_browser_and_system() {
        let of = |text: &str| label(Some(text.as_bytes()));
        let iphone = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 \
                      (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1";
        assert_eq!(of(iphone).as_deref(), Some("Safari on iPhone"));
        let edge = "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0";
        assert_eq!(of(edge).as_deref(), Some("Edge on Windows"));
        assert_eq!(of("curl/8.0"), None);
        assert_eq!(label(None), None);
        assert_eq!(label(Some(&[0xff; 4_000])), None);
    }
}
