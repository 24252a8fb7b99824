//! The phone numbers that get codes: numbers of the configured regions, except premium-rate, shared-cost and
//! toll-free numbers.
//!
//! Regions can share a calling code: +1 is also Jamaica and Antigua, where SMS pumping is common. A number
//! without a region, such as a 555 number, counts as one of the main region of its calling code.

use std::fmt;

use phonenumber::metadata::DATABASE;
use phonenumber::{Metadata, PhoneNumber, Type, country};

/// Kinds of numbers that get no codes, because their callers or owners pay by the minute.
const PAID_KINDS: [Type; 3] = [Type::PremiumRate, Type::SharedCost, Type::TollFree];

/// The regions whose numbers get codes, from `OTP_REGIONS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regions(Vec<country::Id>);

impl Regions {
    /// Parses two-letter region codes in capitals, separated by commas. `None` if one of them is unknown.
    pub fn parse(text: &str) -> Option<Self> {
        let region = |entry: &str| {
            let entry = entry.trim();
            let is_known =
                entry.bytes().all(|b| b.is_ascii_uppercase()) && DATABASE.by_id(entry).is_some();
            is_known.then(|| entry.parse().ok()).flatten()
        };
        text.split(',').map(region).collect::<Option<_>>().map(Self)
    }

    /// Whether the region of `number` is one of these.
    pub(crate) fn contain(&self, number: &PhoneNumber) -> bool {
        region_of(number).is_some_and(|region| self.0.contains(&region))
    }
}

/// The region of a number. It is the only region of its calling code, or the one whose patterns the number matches,
/// or else the main region.
fn region_of(number: &PhoneNumber) -> Option<country::Id> {
    let regions = DATABASE.by_code(&number.country().code())?;
    let main_region = || {
        regions
            .iter()
            .find(|region| region.is_main_country_for_code())
    };
    number.country().id().or_else(|| {
        let only_region = regions.first().filter(|_| regions.len() == 1);
        only_region.or_else(main_region)?.id().parse().ok()
    })
}

/// Whether the number is premium-rate, shared-cost or toll-free in any region of its calling code.
pub(crate) fn is_paid(number: &PhoneNumber) -> bool {
    // As text the national number keeps its leading zeros.
    let national = number.national().to_string();
    // The library's patterns do not match unassigned numbers. In North America the area code alone decides.
    if number.country().code() == 1 && is_paid_area(&national) {
        return true;
    }
    let regions = DATABASE.by_code(&number.country().code());
    regions.into_iter().flatten().any(|region: &Metadata| {
        PAID_KINDS
            .into_iter()
            .filter_map(|kind| region.descriptors().get(kind))
            .any(|descriptor| descriptor.is_match(&national))
    })
}

/// Premium-rate and toll-free area codes of North America: 900 is premium-rate; 800, 822, 833 … 877 and 880 to
/// 889 are toll-free or reserved for it.
fn is_paid_area(national: &str) -> bool {
    let area = national.get(..3).and_then(|area| area.parse::<u16>().ok());
    matches!(
        area,
        Some(900 | 800 | 822 | 833 | 844 | 855 | 866 | 877 | 880..=889)
    )
}

impl Default for Regions {
    /// The United States and Canada.
    fn default() -> Self {
        Self(vec![country::US, country::CA])
    }
}

impl fmt::Display for Regions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let regions: Vec<_> = self.0.iter().map(|id| id.as_ref().to_owned()).collect();
        f.write_str(&regions.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::{InvalidPhone, Phone};

    fn typed(text: &str, regions: &str) -> Result<String, InvalidPhone> {
        Phone::parse_typed(text, &Regions::parse(regions).expect("regions")).map(Phone::into_string)
    }

    #[test]
    fn numbers_of_listed_regions_and_without_a_region_are_served() {
        for (text, regions) in [
            ("+12125550143", "US"),
            ("+15551234567", "US"),
            ("+15550100001", "US,CA"),
            ("+19012345678", "US"), // Memphis
            ("+18702345678", "US"), // Arkansas
            ("+18102345678", "US"), // Michigan
            ("+16135550143", "CA"),
            ("+16135550143", "US,CA"),
            ("+18765550143", "JM"),
            ("+12684641234", "AG,US"),
            ("+447400123456", "GB"),
            ("+4915112345678", "DE"),
            ("+77012345678", "KZ"),
        ] {
            assert_eq!(typed(text, regions).as_deref(), Ok(text), "{regions}");
        }
    }

    #[test]
    fn numbers_of_unlisted_regions_are_refused() {
        for (text, regions) in [
            ("+12684641234", "US,CA"), // Antigua
            ("+18768101234", "US,CA"), // Jamaica
            ("+18092345678", "US,CA"), // Dominican Republic
            ("+17872345678", "US"),    // Puerto Rico
            ("+12423591234", "US,CA"), // Bahamas
            ("+16135550143", "US"),    // Canada
            ("+15551234567", "CA"),
            ("+77012345678", "RU"),  // Kazakhstan
            ("+447781123456", "GB"), // Guernsey
            ("+4915112345678", "US,CA"),
            ("+88216123456", "US,CA"),
        ] {
            assert_eq!(
                typed(text, regions),
                Err(InvalidPhone::Region),
                "{text} {regions}"
            );
        }
    }

    #[test]
    fn premium_and_toll_free_numbers_get_no_codes() {
        for (text, regions) in [
            ("+19002345678", "US,CA"),
            ("+18002345678", "US,CA"),
            ("+18882345678", "US"),
            ("+18332345678", "US"),
            ("+19001234567", "US"), // no exchange begins with 1
            ("+19000000000", "US,CA"),
            ("+18001234567", "US"),
            ("+18881234567", "US,CA"),
            ("+18331234567", "CA"),
            ("+18221234567", "US"),
            ("+18812345678", "US"),
            ("+449012345678", "GB"),
            ("+448431234567", "GB"),
            ("+448001234567", "GB"),
            ("+4918012345", "DE"),
            ("+498001234567", "DE"),
            ("+33891123456", "FR"),
        ] {
            assert_eq!(typed(text, regions), Err(InvalidPhone::Paid), "{text}");
        }
    }

    #[test]
    fn lists_of_regions_are_parsed() {
        for (text, shown) in [("US", "US"), (" US , CA", "US,CA"), ("GB,DE", "GB,DE")] {
            assert_eq!(Regions::parse(text).expect("regions").to_string(), shown);
        }
        for wrong in ["", "us", "USA", "+1", "US,", "XX", "001", "US;CA"] {
            assert_eq!(Regions::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Regions::default().to_string(), "US,CA");
    }
}
