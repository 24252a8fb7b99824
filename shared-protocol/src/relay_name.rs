//! The name of a relay.

use std::fmt;

/// The name of a relay: `[a-z0-9-]{1,32}` for a relay with a secret of its own, or a derived name with a slash
/// ([`rehearsal`](Self::rehearsal), [`edge`](Self::edge)).
///
/// The backend takes the name from the secret that has signed a request, never from its body.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelayName(String);

impl RelayName {
    /// Name of the relay whose secret has no name.
    pub const DEFAULT: &'static str = "default";

    /// Accepts one to 32 lower-case letters, digits and hyphens.
    pub fn parse(name: &str) -> Result<Self, InvalidRelayName> {
        let fits = (1..=32).contains(&name.len());
        let is_clean = name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits && is_clean {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidRelayName)
        }
    }

    /// The name under which the backend keeps this relay's rehearsals. [`RelayName::parse`] accepts no slash,
    /// so no secret can have this name.
    #[must_use]
    pub fn rehearsal(&self) -> Self {
        Self(format!("{}/rehearsal", self.0))
    }

    /// The name `edge/<agent id>`. Several relays of the old protocol, the edge agents, may share a secret without
    /// a name; each sends its agent id, 1 to 64 characters of `A-Z a-z 0-9 . _ -`. `None` for any other id.
    /// Neither a secret nor a rehearsal can have such a name: the agent id `rehearsal` gives `None`, too.
    pub fn edge(agent: &str) -> Option<Self> {
        let fits = (1..=64).contains(&agent.len());
        let is_clean = agent
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        // `edge/rehearsal` is the rehearsal of a relay whose secret is named `edge`.
        let is_taken = Self("edge".to_owned()).rehearsal().0 == format!("edge/{agent}");
        (fits && is_clean && !is_taken).then(|| Self(format!("edge/{agent}")))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for RelayName {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl fmt::Display for RelayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is not a relay name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a relay name is 1 to 32 characters of a-z, 0-9 and -")]
pub struct InvalidRelayName;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_lower_case_names_pass() {
        for good in ["default", "a", "mac-mini-2", &"a".repeat(32)] {
            assert_eq!(RelayName::parse(good).expect("a name").as_str(), good);
        }
        for bad in ["", "Mac", "a_b", "a b", "é", "a:b", "a/b", &"a".repeat(33)] {
            assert_eq!(RelayName::parse(bad), Err(InvalidRelayName), "{bad:?}");
        }
    }

    #[test]
    fn an_agent_has_a_name_that_no_secret_has() {
        for good in ["luna1", "edge_15550100001", "A.b-c", &"a".repeat(64)] {
            let name = RelayName::edge(good).expect("a name");
            assert_eq!(name.as_str(), format!("edge/{good}"));
            assert_eq!(RelayName::parse(name.as_str()), Err(InvalidRelayName));
        }
        for bad in ["", "a b", "é", "a/b", "../x", "rehearsal", &"a".repeat(65)] {
            assert_eq!(RelayName::edge(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn no_secret_can_have_the_name_of_a_rehearsal() {
        let name = RelayName::default().rehearsal();
        assert_eq!(name.as_str(), "default/rehearsal");
        assert_eq!(RelayName::parse(name.as_str()), Err(InvalidRelayName));
    }
}
