//! Writes the typedstream format: tags, integers, and references to strings and objects that were
//! written before.
//!
//! Two tables number the strings and the objects in the order of writing. An object gets its number before
//! its class, and a class before its superclass. A string or object that was written before is written as
//! its number minus 110.

/// The tag before a string, object or class that is written for the first time.
const NEW: u8 = 0x84;
/// The tag of an absent value. It also ends a chain of superclasses.
const NIL: u8 = 0x85;
/// The tag at the end of an object.
const END: u8 = 0x86;
/// The tags of integers that take more than one byte.
const TWO_BYTES: u8 = 0x81;
const FOUR_BYTES: u8 = 0x82;
const EIGHT_BYTES: u8 = 0x87;
/// The number of the first reference, as a signed byte. Smaller bytes are tags.
const FIRST_REFERENCE: i64 = -110;

/// A class in archives of Messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClassName {
    AttributedString,
    MutableAttributedString,
    String,
    MutableString,
    Dictionary,
    Number,
    Value,
    Url,
    Data,
    Object,
}

impl ClassName {
    /// The name, the version and the superclass.
    fn description(self) -> (&'static str, u8, Option<Self>) {
        match self {
            Self::AttributedString => ("NSAttributedString", 0, Some(Self::Object)),
            Self::MutableAttributedString => {
                ("NSMutableAttributedString", 0, Some(Self::AttributedString))
            }
            Self::String => ("NSString", 1, Some(Self::Object)),
            Self::MutableString => ("NSMutableString", 1, Some(Self::String)),
            Self::Dictionary => ("NSDictionary", 0, Some(Self::Object)),
            Self::Number => ("NSNumber", 0, Some(Self::Value)),
            Self::Value => ("NSValue", 0, Some(Self::Object)),
            Self::Url => ("NSURL", 0, Some(Self::Object)),
            Self::Data => ("NSData", 0, Some(Self::Object)),
            Self::Object => ("NSObject", 0, None),
        }
    }
}

/// An entry of the table that objects, classes and C strings share.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    /// Written once and never referred to.
    Anonymous,
    Class(ClassName),
    /// A string object that is written once and then referred to.
    Constant(String),
    Number(i64),
    CString(String),
}

/// A writer of one archive.
#[derive(Debug)]
pub(super) struct Archiver {
    out: Vec<u8>,
    strings: Vec<String>,
    entries: Vec<Entry>,
}

impl Archiver {
    pub(super) fn new() -> Self {
        let mut out = vec![0x04, 0x0B];
        out.extend_from_slice(b"streamtyped");
        let mut archive = Self {
            out,
            strings: Vec::new(),
            entries: Vec::new(),
        };
        // The version of the system that writes.
        archive.signed(1000);
        archive
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }

    /// Begins a group of values by writing their type encoding.
    pub(super) fn begin_group(&mut self, encoding: &str) {
        self.shared_string(encoding);
    }

    /// Writes an object that nothing refers to later.
    pub(super) fn object(&mut self, class: ClassName, content: impl FnOnce(&mut Self)) {
        self.entry_object(Entry::Anonymous, class, content);
    }

    /// Writes a string object, or a reference if the same string was written before.
    pub(super) fn constant_string(&mut self, text: &str) {
        let entry = Entry::Constant(text.to_owned());
        if !self.refer_to(&entry) {
            self.entry_object(entry, ClassName::String, |archive| {
                archive.begin_group("+");
                archive.bytes(text.as_bytes());
            });
        }
    }

    /// Writes a number object, or a reference if an equal number was written before.
    pub(super) fn number(&mut self, value: i64) {
        let entry = Entry::Number(value);
        if self.refer_to(&entry) {
            return;
        }
        let encoding = if i32::try_from(value).is_ok() {
            "i"
        } else {
            "q"
        };
        self.entry_object(entry, ClassName::Number, |archive| {
            archive.begin_group("*");
            let c_string = Entry::CString(encoding.to_owned());
            if !archive.refer_to(&c_string) {
                archive.out.push(NEW);
                archive.entries.push(c_string);
                archive.shared_string(encoding);
            }
            archive.begin_group(encoding);
            archive.signed(value);
        });
    }

    /// Writes the length and the bytes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.unsigned(bytes.len() as u64);
        self.raw(bytes);
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(super) fn raw_byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    /// Writes a signed integer in as few bytes as possible.
    pub(super) fn signed(&mut self, value: i64) {
        if (FIRST_REFERENCE..=127).contains(&value) {
            self.raw(&value.to_le_bytes()[..1]);
        } else if i16::try_from(value).is_ok() {
            self.tagged(TWO_BYTES, &value.to_le_bytes()[..2]);
        } else if i32::try_from(value).is_ok() {
            self.tagged(FOUR_BYTES, &value.to_le_bytes()[..4]);
        } else {
            self.tagged(EIGHT_BYTES, &value.to_le_bytes());
        }
    }

    /// Writes an unsigned integer in as few bytes as possible.
    pub(super) fn unsigned(&mut self, value: u64) {
        if value <= 127 {
            self.raw(&value.to_le_bytes()[..1]);
        } else if u16::try_from(value).is_ok() {
            self.tagged(TWO_BYTES, &value.to_le_bytes()[..2]);
        } else if u32::try_from(value).is_ok() {
            self.tagged(FOUR_BYTES, &value.to_le_bytes()[..4]);
        } else {
            self.tagged(EIGHT_BYTES, &value.to_le_bytes());
        }
    }

    fn tagged(&mut self, tag: u8, bytes: &[u8]) {
        self.out.push(tag);
        self.raw(bytes);
    }

    /// Writes an object, whose number in the table is that of `entry`.
    fn entry_object(&mut self, entry: Entry, class: ClassName, content: impl FnOnce(&mut Self)) {
        self.out.push(NEW);
        self.entries.push(entry);
        self.class(class);
        content(self);
        self.out.push(END);
    }

    /// Writes a class and its superclasses, up to one that was written before.
    fn class(&mut self, class: ClassName) {
        let mut next = Some(class);
        while let Some(class) = next {
            if self.refer_to(&Entry::Class(class)) {
                return;
            }
            let (name, version, superclass) = class.description();
            self.out.push(NEW);
            self.entries.push(Entry::Class(class));
            self.shared_string(name);
            self.raw_byte(version);
            next = superclass;
        }
        self.out.push(NIL);
    }

    /// Writes a reference to an entry, if the entry was written before. Returns whether it was.
    fn refer_to(&mut self, entry: &Entry) -> bool {
        let index = self.entries.iter().position(|known| known == entry);
        if let Some(index) = index {
            self.write_reference(index);
        }
        index.is_some()
    }

    /// Writes a string, or a reference if the same string was written before.
    fn shared_string(&mut self, text: &str) {
        if let Some(index) = self.strings.iter().position(|known| known == text) {
            self.write_reference(index);
        } else {
            self.strings.push(text.to_owned());
            self.out.push(NEW);
            self.bytes(text.as_bytes());
        }
    }

    fn write_reference(&mut self, index: usize) {
        let index = i64::try_from(index).expect("the index of a value in memory fits an i64");
        self.signed(index + FIRST_REFERENCE);
    }
}
