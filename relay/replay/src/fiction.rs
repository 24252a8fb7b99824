//! Recognises fictional addresses.
//!
//! The messages of a replay must not have the address of an existing person. So only addresses in ranges that
//! are reserved for fiction count as fictional.

/// Whether no person can have this address: a number with area code 555 or with exchange 555 and line
/// 01xx, a short code that begins with 555, a mailbox at an example domain, an invented business id, a
/// placeholder of a redacted address, the sender name `EXAMPLE`, or the id of a chat.
pub(crate) fn is_fictional(address: &str) -> bool {
    // Messages writes marks of the writing direction and zero-width characters around addresses, and a
    // prefix with the kind of address before own addresses.
    let visible: String = address.chars().filter(|c| !is_invisible(*c)).collect();
    let without_prefix = ["tel:", "mailto:", "P:", "E:", "p:", "e:"]
        .into_iter()
        .find_map(|prefix| visible.strip_prefix(prefix));
    is_reserved(without_prefix.unwrap_or(&visible))
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn is_reserved(address: &str) -> bool {
    // Messages appends the kind of SMS filter to a short code.
    let address = address.split('(').next().unwrap_or_default().trim();
    if let Some((_, domain)) = address.rsplit_once('@') {
        return is_example_domain(domain);
    }
    // Invented business ids begin with zeros.
    if address.starts_with("urn:biz:00000000-") || is_placeholder(address) {
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
        return digits
            .strip_prefix('1')
            .is_some_and(is_fictional_national_number);
    }
    match digits.len() {
        3..=6 => digits.starts_with("555"),
        7 => digits.starts_with("5550"),
        10 => is_fictional_national_number(&digits),
        11 => digits
            .strip_prefix('1')
            .is_some_and(is_fictional_national_number),
        // A recording has such a number in place of one without its country.
        _ => digits.starts_with("55500"),
    }
}

/// Whether a North American number is fictional. A number with area code 555 may have any length, since this
/// area code does not exist.
fn is_fictional_national_number(national: &str) -> bool {
    national.starts_with("555")
        || (national.len() == 10 && national.get(3..8).is_some_and(|middle| middle == "55501"))
}

fn is_example_domain(domain: &str) -> bool {
    let domain = domain.to_ascii_lowercase();
    let mut labels = domain.rsplit('.');
    match (labels.next(), labels.next()) {
        (Some("example"), _) => true,
        (Some("com" | "org" | "net"), Some(name)) => name == "example",
        _ => false,
    }
}

/// Whether an address is the sender name `EXAMPLE`, a placeholder of a redacted address (`SENDER1`), or the id of a
/// chat (`chat123`).
fn is_placeholder(address: &str) -> bool {
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
    fn addresses_in_reserved_ranges_are_fictional() {
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
    fn the_replacement_of_a_number_without_its_country_is_fictional_at_any_length() {
        for length in 4..=15 {
            let replacement = format!("555{:0width$}", 7, width = length - 3);
            assert!(is_fictional(&replacement), "{replacement}");
        }
        for number in ["5551234", "55512345", "55512345678"] {
            assert!(!is_fictional(number), "{number}");
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
