//! Skips values that are not needed, by their Objective-C type encoding.
//!
//! Skipping makes it possible to decode a message that has an attribute of an unknown class.

use crate::DecodeError;
use crate::stream::Real;
use crate::unarchiver::Unarchiver;

impl Unarchiver<'_> {
    /// Skips one value for each type in `encoding`.
    pub(crate) fn skip_values(&mut self, mut encoding: &[u8]) -> Result<(), DecodeError> {
        while !encoding.is_empty() {
            let (first, rest) = split_first_type(encoding).ok_or_else(|| self.unsupported())?;
            self.skip_value(first)?;
            encoding = rest;
        }
        Ok(())
    }

    fn skip_value(&mut self, encoding: &[u8]) -> Result<(), DecodeError> {
        // A value without bytes (`!`, an empty structure) costs fuel, too, because a short archive can contain
        // billions of them.
        self.spend_fuel(encoding.len())?;
        match encoding {
            b"@" => self.object().map(drop),
            b"#" => self.class().map(drop),
            b"*" => self.skip_c_string(),
            b":" | b"%" => self.shared_string().map(drop),
            b"+" => self.stream.counted().map(drop),
            b"c" | b"C" | b"B" => self.stream.byte().map(drop),
            b"s" | b"i" | b"l" | b"q" => self.stream.signed().map(drop),
            b"S" | b"I" | b"L" | b"Q" => self.stream.unsigned().map(drop),
            b"f" => self.stream.skip_real(Real::Single),
            b"d" => self.stream.skip_real(Real::Double),
            b"!" => Ok(()),
            [b'[', inner @ .., b']'] => self.skip_array(inner),
            [b'{', inner @ .., b'}'] => self.skip_structure(inner),
            _ => Err(self.unsupported()),
        }
    }

    /// Skips an array. `inner` is the number of elements and their type, such as `12c`.
    fn skip_array(&mut self, inner: &[u8]) -> Result<(), DecodeError> {
        let digits = inner.iter().take_while(|b| b.is_ascii_digit()).count();
        let (count, element) = inner.split_at(digits);
        let count: usize = std::str::from_utf8(count)
            .ok()
            .and_then(|count| count.parse().ok())
            .filter(|_| !element.is_empty())
            .ok_or_else(|| self.unsupported())?;
        if let b"c" | b"C" | b"B" = element {
            return self.stream.take(count).map(drop);
        }
        self.descend()?;
        for _ in 0..count {
            self.spend_fuel(1)?;
            self.skip_values(element)?;
        }
        self.ascend();
        Ok(())
    }

    /// Skips a structure. `inner` is its name and the types of its fields, such as `_NSRange=QQ`.
    fn skip_structure(&mut self, inner: &[u8]) -> Result<(), DecodeError> {
        let Some(name) = inner.iter().position(|&b| b == b'=') else {
            return Err(self.unsupported());
        };
        self.descend()?;
        self.skip_values(&inner[name + 1..])?;
        self.ascend();
        Ok(())
    }

    fn unsupported(&self) -> DecodeError {
        DecodeError::UnsupportedEncoding {
            offset: self.stream.offset(),
        }
    }
}

/// Splits off the first type: one character, or everything up to the matching bracket.
fn split_first_type(encoding: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut open = 0_usize;
    for (index, byte) in encoding.iter().enumerate() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.checked_sub(1)?,
            _ => {}
        }
        if open == 0 {
            return Some(encoding.split_at(index + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_split_at_matching_brackets() {
        let split = |encoding: &'static str| {
            split_first_type(encoding.as_bytes()).map(|(first, rest)| (first.len(), rest.len()))
        };
        assert_eq!(split("iI"), Some((1, 1)));
        assert_eq!(split("{_NSRange=QQ}@"), Some((13, 1)));
        assert_eq!(split("[2{a=[3c]i}]"), Some((12, 0)));
        for unbalanced in ["]", "}", "[2c", "{a=i", ""] {
            assert_eq!(split(unbalanced), None, "{unbalanced}");
        }
    }
}
