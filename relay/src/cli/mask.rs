//! Addresses as lists show them: lists are read over shoulders, and end up in bug reports.

/// An address as it may be shown: four characters at its end, or the domain.
pub(super) fn masked(address: &str) -> String {
    if let Some((_, domain)) = address.rsplit_once('@') {
        return format!("…@{domain}");
    }
    let length = address.chars().count();
    let shown: String = address.chars().skip(length.saturating_sub(4)).collect();
    if length > 4 {
        format!("…{shown}")
    } else {
        "…".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_is_shown() {
        assert_eq!(masked("+15550100001"), "…0001");
        assert_eq!(masked("ann@example.com"), "…@example.com");
        assert_eq!(masked("5551"), "…");
        assert_eq!(masked("ÄÖÜäöü"), "…Üäöü");
    }
}
