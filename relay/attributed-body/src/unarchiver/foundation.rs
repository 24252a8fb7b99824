//! Reads objects of the Foundation classes that messages use.
//!
//! The contents of an object are groups: a type encoding, followed by a value for each of its types. Objects of
//! other classes, and groups that a class is not known to have, are skipped by their type encodings.

use super::{Object, Unarchiver};
use crate::stream::END;
use crate::{DecodeError, Run};

/// The classes that the decoder tells apart. A subclass counts as its ancestor.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Read only as the root object. Elsewhere its contents are skipped.
    AttributedString,
    String,
    Dictionary,
    Number,
    Url,
    Other,
}

impl Class {
    pub(crate) fn named(name: &[u8]) -> Self {
        match name {
            b"NSAttributedString" => Self::AttributedString,
            b"NSString" => Self::String,
            b"NSDictionary" => Self::Dictionary,
            b"NSNumber" => Self::Number,
            b"NSURL" => Self::Url,
            _ => Self::Other,
        }
    }
}

/// The values of a dictionary under known keys.
#[derive(Clone, Copy, Default)]
pub(crate) struct Dictionary<'a> {
    /// The attributes, as a run without text.
    pub(crate) attributes: Run<'a>,
    /// The code, if the dictionary describes a one-time code.
    code: Option<&'a str>,
}

impl<'a> Unarchiver<'a> {
    /// Reads an object's groups of values, up to its end.
    pub(crate) fn contents(&mut self, class: Class) -> Result<Object<'a>, DecodeError> {
        match class {
            Class::String => self.string(),
            Class::Number => self.number(),
            Class::Url => self.url(),
            Class::Dictionary => self.dictionary(),
            Class::AttributedString | Class::Other => {
                self.skip_to_end()?;
                Ok(Object::Opaque)
            }
        }
    }

    /// Reads the type encoding of the object's next group of values, or the object's end, for which it returns
    /// `None`.
    pub(crate) fn group(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        if self.stream.peek()? == END {
            self.stream.byte()?;
            return Ok(None);
        }
        self.encoding().map(Some)
    }

    /// Skips the rest of an object, including its end.
    pub(crate) fn skip_to_end(&mut self) -> Result<(), DecodeError> {
        while let Some(encoding) = self.group()? {
            self.skip_values(encoding)?;
        }
        Ok(())
    }

    /// Reads a string, which has one group: `+`, the UTF-8 bytes.
    fn string(&mut self) -> Result<Object<'a>, DecodeError> {
        let mut object = Object::Opaque;
        while let Some(encoding) = self.group()? {
            if encoding == b"+" {
                let bytes = self.stream.counted()?.unwrap_or_default();
                let text =
                    std::str::from_utf8(bytes).map_err(|fault| DecodeError::InvalidUtf8 {
                        offset: self.stream.offset() - bytes.len() + fault.valid_up_to(),
                    })?;
                object = Object::Text(text);
            } else {
                self.skip_values(encoding)?;
            }
        }
        Ok(object)
    }

    /// Reads a number, which has two groups: `*`, the name of its type, then a value of that type.
    fn number(&mut self) -> Result<Object<'a>, DecodeError> {
        let mut object = Object::Opaque;
        while let Some(encoding) = self.group()? {
            let value = match encoding {
                b"c" => Some(i64::from(self.stream.byte()?.cast_signed())),
                b"C" | b"B" => Some(i64::from(self.stream.byte()?)),
                b"s" | b"i" | b"l" | b"q" => Some(self.stream.signed()?),
                b"S" | b"I" | b"L" | b"Q" => i64::try_from(self.stream.unsigned()?).ok(),
                _ => {
                    self.skip_values(encoding)?;
                    None
                }
            };
            if let Some(value) = value {
                object = Object::Integer(value);
            }
        }
        Ok(object)
    }

    /// Reads a URL, which has the groups `c` (whether it is relative), `@` (the base, only if it is) and `@`
    /// (the text).
    fn url(&mut self) -> Result<Object<'a>, DecodeError> {
        let mut object = Object::Opaque;
        while let Some(encoding) = self.group()? {
            if encoding == b"@" {
                if let Some(Object::Text(text)) = self.object()? {
                    object = Object::Url(text);
                }
            } else {
                self.skip_values(encoding)?;
            }
        }
        Ok(object)
    }

    /// Reads a dictionary, which has the groups `i` (number of entries) and, for each entry, `@` (the key)
    /// and `@` (the value).
    fn dictionary(&mut self) -> Result<Object<'a>, DecodeError> {
        let mut dictionary = Dictionary::default();
        if self.encoding()? != b"i" {
            return Err(self.stream.last_byte_is_not("the size of a dictionary"));
        }
        for _ in 0..self.stream.signed()? {
            let key = self.object_group()?;
            let value = self.object_group()?;
            if let (Some(Object::Text(key)), Some(value)) = (key, value) {
                self.set_attribute(&mut dictionary, key, value);
            }
        }
        self.skip_to_end()?;
        self.dictionaries.push(dictionary);
        Ok(Object::Dictionary(self.dictionaries.len() - 1))
    }

    /// Reads a group that consists of one object.
    pub(crate) fn object_group(&mut self) -> Result<Option<Object<'a>>, DecodeError> {
        if self.encoding()? == b"@" {
            self.object()
        } else {
            Err(self.stream.last_byte_is_not("an object"))
        }
    }

    /// Stores the value of a known key. A value whose type does not fit its key counts as absent.
    fn set_attribute(&self, dictionary: &mut Dictionary<'a>, key: &str, value: Object<'a>) {
        let text = match value {
            Object::Text(text) | Object::Url(text) => Some(text),
            _ => None,
        };
        let run = &mut dictionary.attributes;
        match key {
            "__kIMMessagePartAttributeName" => {
                if let Object::Integer(number) = value {
                    run.part = Some(number);
                }
            }
            "__kIMFileTransferGUIDAttributeName" => run.attachment_guid = text,
            "__kIMMentionConfirmedMention" => run.mention = text,
            "__kIMLinkAttributeName" => run.link = text,
            "__kIMOneTimeCodeAttributeName" => {
                run.one_time_code = match value {
                    Object::Dictionary(index) => self.dictionaries[index].code,
                    _ => text,
                };
            }
            "IMAudioTranscription" => run.transcription = text,
            "__kIMBreadcrumbTextMarkerAttributeName" => run.breadcrumb = text,
            "code" => dictionary.code = text,
            _ => {}
        }
    }
}
