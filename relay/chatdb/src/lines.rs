//! The owner's addresses, and the lines that they form.
//!
//! A line is the set of own addresses of one account of Messages. The backend keeps the conversations of each line
//! apart. An owner with several lines declares them in the settings. Without a declaration all own addresses are one
//! line, whose name is the first phone number among them, else the first e-mail address. The relay keeps that name
//! for ever, because the backend's conversations are bound to it. Addresses that were found in chat.db count as
//! own addresses, too, but they are less certain than declared ones, so no message of another person is
//! dropped because of them (see [`crate::compose()`]).

use shared_protocol::Line;

use crate::Address;

/// Most addresses found in chat.db that are kept. An account has a handful.
const MAX_FOUND: usize = 64;

/// The owner's settings about own addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declaration {
    /// The lines. Each has at least one address, and the first one is the name of the line.
    pub lines: Vec<Vec<Address>>,
    /// Further own addresses. They belong to the first line.
    pub own: Vec<Address>,
    /// Addresses that never count as own addresses, even if rows of chat.db suggest it.
    pub others: Vec<Address>,
}

/// Own addresses, declared by the owner or found in chat.db.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    declaration: Declaration,
    /// In the order in which they were found.
    found: Vec<Address>,
    /// The name of the single line if no lines are declared; `None` until it is chosen. It is always an own address.
    name: Option<Address>,
}

impl Lines {
    /// The own addresses that the owner declares, before any was found in chat.db.
    pub fn new(declaration: Declaration) -> Self {
        Self {
            declaration,
            ..Self::default()
        }
    }

    /// Adds the addresses that were found, and the name that was chosen, in an earlier run.
    #[must_use]
    pub fn with_found(mut self, found: Vec<Address>, name: Option<Address>) -> Self {
        for address in found {
            self.add_found(address);
        }
        let name = name.filter(|name| !self.declaration.others.contains(name));
        self.name = name.or(self.name);
        self
    }

    /// Adds an own address that was found in chat.db. Returns whether it was added: an address that is found again, is
    /// declared as another person's, or comes after 64 others is not.
    pub fn add_found(&mut self, address: Address) -> bool {
        let refused = self.declaration.others.contains(&address) || self.found.len() >= MAX_FOUND;
        if refused || self.found.contains(&address) {
            return false;
        }
        self.found.push(address);
        true
    }

    /// Chooses the name of the single line if no lines are declared and it has no name yet. Returns whether a name was
    /// chosen now.
    pub fn choose_name(&mut self) -> bool {
        if self.name.is_some() || !self.declaration.lines.is_empty() {
            return false;
        }
        let all = || self.declaration.own.iter().chain(&self.found);
        let name = all()
            .find(|address| address.is_phone())
            .or_else(|| all().find(|address| address.is_of_an_account()));
        self.name = name.cloned();
        self.name.is_some()
    }

    /// Whether an address, in its normal form, is an own one.
    pub fn is_own(&self, address: &str) -> bool {
        let is_this_address = |own: &Address| own.as_str() == address;
        self.is_declared(address) || self.found.iter().chain(&self.name).any(is_this_address)
    }

    /// Whether the owner declares that an address is an own one.
    pub fn is_declared(&self, address: &str) -> bool {
        let declared = self.declaration.lines.iter().flatten();
        declared
            .chain(&self.declaration.own)
            .any(|own| own.as_str() == address)
    }

    /// Whether the owner declares that an address is not an own one.
    pub(crate) fn is_declared_other(&self, address: &str) -> bool {
        self.declaration
            .others
            .iter()
            .any(|other| other.as_str() == address)
    }

    /// The addresses that were found in chat.db, in the order in which they were found.
    pub fn found(&self) -> &[Address] {
        &self.found
    }

    /// The name of the single line if no lines are declared; `None` until it is chosen.
    pub fn name(&self) -> Option<&Address> {
        self.name.as_ref()
    }

    /// The name of the only line, to which every message belongs; `None` if several are declared, or if the only line has
    /// no name yet.
    pub(crate) fn only_line(&self) -> Option<&Address> {
        match &*self.declaration.lines {
            [] => self.name.as_ref(),
            [line] => line.first(),
            _ => None,
        }
    }

    /// The name of the line to which an own address belongs. An address that no declared line lists, or `None`, belongs to
    /// the first one. `None` if no lines are declared and the single line has no name yet.
    pub(crate) fn line_of(&self, address: Option<&str>) -> Option<&Address> {
        let lines = &self.declaration.lines;
        address
            .and_then(|address| {
                let contains_address =
                    |line: &&Vec<Address>| line.iter().any(|own| own.as_str() == address);
                lines.iter().find(contains_address)
            })
            .or_else(|| lines.first())
            .and_then(|line| line.first())
            .or(self.name.as_ref())
    }

    /// Every line with all its own addresses, declared and found, the name first.
    pub fn all(&self) -> Vec<Line> {
        let mut lines = self.declaration.lines.clone();
        if lines.is_empty() {
            lines.extend(self.name.clone().map(|name| vec![name]));
        }
        for address in self.declaration.own.iter().chain(&self.found) {
            let is_listed = lines.iter().any(|line| line.contains(address));
            if let Some(first) = lines.first_mut().filter(|_| !is_listed) {
                first.push(address.clone());
            }
        }
        let line = |addresses: Vec<Address>| Line {
            name: addresses[0].as_str().to_owned(),
            addresses: addresses.into_iter().map(Address::into_string).collect(),
        };
        lines.into_iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).expect("not empty")
    }

    fn lines(lines: &[&[&str]], own: &[&str], others: &[&str]) -> Lines {
        let all = |texts: &[&str]| texts.iter().map(|text| address(text)).collect::<Vec<_>>();
        Lines::new(Declaration {
            lines: lines.iter().map(|line| all(line)).collect(),
            own: all(own),
            others: all(others),
        })
    }

    fn addresses(lines: &Lines) -> Vec<Vec<String>> {
        lines.all().into_iter().map(|line| line.addresses).collect()
    }

    #[test]
    fn without_a_declaration_the_first_phone_number_names_the_line_for_ever() {
        let mut undeclared = lines(&[], &[], &[]);
        assert!(!undeclared.choose_name(), "there is nothing to choose from");
        assert_eq!(undeclared.all(), []);
        for text in ["sam@example.com", "+15550109999", "+15550108888"] {
            assert!(undeclared.add_found(address(text)));
        }
        assert!(!undeclared.add_found(address("+15550109999")));
        assert!(undeclared.choose_name());
        assert_eq!(undeclared.name(), Some(&address("+15550109999")));
        assert_eq!(
            addresses(&undeclared),
            [["+15550109999", "sam@example.com", "+15550108888"]]
        );

        let mut by_mail = lines(&[], &[], &[]).with_found(vec![address("sam@example.com")], None);
        by_mail.choose_name();
        by_mail.add_found(address("+15550109999"));
        assert!(!by_mail.choose_name(), "a line keeps its name");
        assert_eq!(addresses(&by_mail), [["sam@example.com", "+15550109999"]]);
        let again = lines(&[], &["+15550107777"], &[])
            .with_found(by_mail.found().to_vec(), by_mail.name().cloned());
        assert_eq!(again.line_of(None), by_mail.name());
        assert!(again.is_own("+15550107777") && again.is_own("+15550109999"));
    }

    #[test]
    fn with_a_declaration_unlisted_own_addresses_belong_to_the_first_line() {
        let mut two = lines(
            &[&["+15550109999", "sam@example.com"], &["pat@example.com"]],
            &["+15550107777"],
            &[],
        );
        two.add_found(address("+15550106666"));
        two.add_found(address("pat@example.com"));
        assert!(!two.choose_name());
        let name = |text: &str| two.line_of(Some(text)).map(Address::as_str);
        assert_eq!(name("pat@example.com"), Some("pat@example.com"));
        for first in [
            "sam@example.com",
            "+15550107777",
            "+15550106666",
            "+15550101111",
        ] {
            assert_eq!(name(first), Some("+15550109999"), "{first}");
        }
        assert_eq!(
            addresses(&two),
            [
                vec![
                    "+15550109999",
                    "sam@example.com",
                    "+15550107777",
                    "+15550106666"
                ],
                vec!["pat@example.com"]
            ]
        );
    }

    #[test]
    fn an_address_that_is_declared_as_not_own_is_never_own() {
        let person = address("+15550100001");
        let mut lines = lines(&[], &[], &["+15550100001"])
            .with_found(vec![person.clone()], Some(person.clone()));
        assert!(!lines.add_found(person));
        assert!(!lines.is_own("+15550100001"));
        assert_eq!(lines.name(), None);
    }

    #[test]
    fn found_addresses_are_bounded() {
        let mut lines = Lines::default();
        for n in 0..1_000 {
            lines.add_found(address(&format!("+1555010{n:04}")));
        }
        assert_eq!(lines.found().len(), MAX_FOUND);
    }
}
