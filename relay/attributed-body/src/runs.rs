//! Reads the attributed string: its text, and the runs with their attributes.
//!
//! Lengths of runs are in UTF-16 code units. The runs must cover the text exactly; if one ends inside a
//! character or beyond the text, the archive is damaged.

use crate::stream::NEW;
use crate::unarchiver::{Class, Object, Unarchiver};
use crate::{DecodeError, Run};

impl<'a> Unarchiver<'a> {
    /// Reads the root object up to the end of its text.
    pub(crate) fn text(&mut self) -> Result<&'a str, DecodeError> {
        if self.encoding()? != b"@" || self.stream.byte()? != NEW {
            return Err(DecodeError::NotAttributedString);
        }
        let (_, class) = self.begin_object()?;
        if class != Class::AttributedString {
            return Err(DecodeError::NotAttributedString);
        }
        match self.object_group()? {
            Some(Object::Text(text)) => Ok(text),
            _ => Err(self.stream.last_byte_is_not("the text")),
        }
    }

    /// Reads the rest of the root object: the runs over `text`.
    pub(crate) fn runs(&mut self, text: &'a str) -> Result<Vec<Run<'a>>, DecodeError> {
        let mut runs = Vec::new();
        // The index in `self.dictionaries` of each numbered dictionary.
        let mut dictionary_indices: Vec<usize> = Vec::new();
        let mut rest = RemainingText::of(text);
        while let Some(encoding) = self.group()? {
            if encoding != b"iI" {
                self.skip_values(encoding)?;
                continue;
            }
            let offset = self.stream.offset();
            let number = self.stream.signed()?;
            let len = self.stream.unsigned()?;
            let unknown_number = DecodeError::Malformed {
                offset,
                expected: "the number of a dictionary",
            };
            // Dictionaries are numbered from 1 in the order of their first use.
            let number = number
                .checked_sub(1)
                .and_then(|number| usize::try_from(number).ok())
                .ok_or(unknown_number)?;
            if number == dictionary_indices.len() {
                match self.object_group()? {
                    Some(Object::Dictionary(index)) => dictionary_indices.push(index),
                    _ => return Err(self.stream.last_byte_is_not("a dictionary")),
                }
            }
            let dictionary = *dictionary_indices.get(number).ok_or(unknown_number)?;
            let (text, utf16_len) = rest
                .split_off(len)
                .ok_or(DecodeError::RunsDontFit { offset })?;
            runs.push(Run {
                text,
                utf16_len,
                ..self.dictionaries[dictionary].attributes
            });
        }
        if rest.utf16_len > 0 {
            return Err(DecodeError::RunsDontFit {
                offset: self.stream.offset(),
            });
        }
        Ok(runs)
    }
}

/// The text after the runs that were read so far.
struct RemainingText<'a> {
    text: &'a str,
    utf16_len: u64,
}

impl<'a> RemainingText<'a> {
    fn of(text: &'a str) -> Self {
        Self {
            text,
            utf16_len: utf16_len(text) as u64,
        }
    }

    /// Splits off the next `len` code units; `None` if `len` is 0, too large, or ends inside a character.
    fn split_off(&mut self, len: u64) -> Option<(&'a str, u32)> {
        let remaining = self.utf16_len.checked_sub(len).filter(|_| len > 0)?;
        let (taken, rest) = if remaining == 0 {
            (self.text, "")
        } else {
            let mut units = 0;
            let end = self.text.char_indices().find_map(|(start, character)| {
                if units >= len {
                    return Some(start);
                }
                units += character.len_utf16() as u64;
                None
            })?;
            if units != len {
                return None;
            }
            self.text.split_at(end)
        };
        self.text = rest;
        self.utf16_len = remaining;
        Some((taken, u32::try_from(len).ok()?))
    }
}

/// The number of UTF-16 code units in a text.
fn utf16_len(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    // A character is one code unit, and two if UTF-8 needs four bytes for it.
    let first_bytes = text.bytes().filter(|byte| !(0x80..0xC0).contains(byte));
    let first_of_four = text.bytes().filter(|byte| *byte >= 0xF0);
    first_bytes.count() + first_of_four.count()
}
