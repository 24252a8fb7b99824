//! Masks addresses for logs and lists, because people attach logs and lists to bug reports.

use std::fmt;

/// Shows only the last four characters of an address, or the domain of an e-mail address.
pub struct Masked<'a>(pub &'a str);

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((_, domain)) = self.0.rsplit_once('@') {
            return write!(f, "…@{domain}");
        }
        let hidden = self.0.chars().count().saturating_sub(4);
        f.write_str("…")?;
        // An address of up to four characters is hidden completely.
        if hidden > 0 {
            let shown: String = self.0.chars().skip(hidden).collect();
            f.write_str(&shown)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(address: &str) -> String {
        Masked(address).to_string()
    }

    #[test]
    fn an_address_is_masked() {
        assert_eq!(shown("+15550100001"), "…0001");
        assert_eq!(shown("ann@example.com"), "…@example.com");
        assert_eq!(shown("5551"), "…");
        assert_eq!(shown("ÄÖÜäöü"), "…Üäöü");
    }
}
