//! Which addresses are fictional.
//!
//! A replay may only speak in the name of people who do not exist, so an address counts as a real one
//! unless it lies in a range set aside for fiction.

/// Whether no person can have this address: area code 555 or an exchange 555 with a line 01xx, short
/// codes that begin with 555, mailboxes at the example domains, the stand-ins of redaction, and the
/// numbers of chats.
pub(crate) fn is_fictional(address: &str) -> bool {
    // Messages writes marks of direction and characters without width around addresses, and what kind
    // of address it is before own ones.
    let visible: String = address.chars().filter(|c| !is_mark(*c)).collect();
    let bare = ["tel:", "mailto:", "P:", "E:", "p:", "e:"]
        .into_iter()
        .find_map(|kind| visible.strip_prefix(kind));
    is_reserved(bare.unwrap_or(&visible))
}

fn is_mark(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn is_reserved(address: &str) -> bool {
    // Behind it stands what kind of filter an SMS fell into.
    let address = address.split('(').next().unwrap_or_default().trim();
    if let Some((_, domain)) = address.rsplit_once('@') {
        return is_example(domain);
    }
    if address.starts_with("urn:biz:00000000-") || is_made_up(address) {
        return true;
    }
    if address
        .chars()
        .any(|c| !(c.is_ascii_digit() || "+-. ".contains(c)))
    {
        return false;
    }
    let digits: String = address.chars().filter(char::is_ascii_digit).collect();
    if address.starts_with('+') {
        return digits.strip_prefix('1').is_some_and(is_fictional_line);
    }
    match digits.len() {
        3..=6 => digits.starts_with("555"),
        7 => digits.starts_with("55501"),
        10 => is_fictional_line(&digits),
        11 => digits.strip_prefix('1').is_some_and(is_fictional_line),
        _ => false,
    }
}

/// A number within North America. In area code 555 any length will do: no such number is complete.
fn is_fictional_line(national: &str) -> bool {
    national.starts_with("555")
        || (national.len() == 10 && national.get(3..8).is_some_and(|middle| middle == "55501"))
}

fn is_example(domain: &str) -> bool {
    let domain = domain.to_ascii_lowercase();
    let mut labels = domain.rsplit('.');
    match (labels.next(), labels.next()) {
        (Some("example"), _) => true,
        (Some("com" | "org" | "net"), Some(name)) => name == "example",
        _ => false,
    }
}

/// A name in place of an address: the example, what redaction makes of one, or a chat's own number.
fn is_made_up(address: &str) -> bool {
    let numbered = |prefix| {
        let number: Option<&str> = address.strip_prefix(prefix);
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    address == "EXAMPLE" || numbered("SENDER") || numbered("chat")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_addresses_are_fictional() {
        for address in [
            "+15550100001",
            "+15555550101",
            "+1 212-555-0143",
            "5550101",
            "2125550199",
            "55512",
            "55512(smsfp)",
            "ann@example.com",
            "ann@mail.example.org",
            "ann@relay.example",
            "urn:biz:00000000-0000-4000-8000-000000000001",
            "SENDER1",
            "EXAMPLE",
            "chat123456",
            "\u{202a}+15555550101\u{202c}",
            "tel:+15550009999",
            "E:ann@example.com",
        ] {
            assert!(is_fictional(address), "{address}");
        }
    }

    #[test]
    fn other_addresses_are_not_fictional() {
        for address in [
            "",
            "+19990000200",
            "+19990100155",
            "+445550101",
            "+4915550100",
            "9995551234",
            "30300",
            "56249(smsfp)",
            "ann@example.test",
            "ann@notexample.com",
            "ann@example.com.invalid",
            "urn:biz:3b0e5a7c-1111-4000-8000-000000000001",
            "MYBANK",
            "SENDER",
            "1555555555555555x",
        ] {
            assert!(!is_fictional(address), "{address}");
        }
    }
}
