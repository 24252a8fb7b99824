//! Writes typedstream archives the way Messages does, for tests.
//!
//! Equal objects are written once and then referred to, as in real archives, so that tables grow and
//! references need more than one byte.

use std::collections::HashMap;

const NEW: u8 = 0x84;
const NIL: u8 = 0x85;
const END: u8 = 0x86;
const TWO_BYTES: u8 = 0x81;
const FOUR_BYTES: u8 = 0x82;
const EIGHT_BYTES: u8 = 0x87;
/// The number of the first reference, as a signed byte. Smaller bytes are tags.
const FIRST_REFERENCE: i64 = -110;

/// Byte order of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endian {
    /// Every Mac since Intel.
    Little,
    /// PowerPC.
    Big,
}

/// An object to archive.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    Text(String),
    MutableText(String),
    /// A type character (`i`, `q`, …) and the number.
    Number(char, i64),
    Url(String),
    /// Base and text.
    RelativeUrl(String, String),
    Data(Vec<u8>),
    Dictionary(Vec<(String, Value)>),
    Array(Vec<Value>),
    /// The class names, from the object's own to the root, and for each group the type encoding and the raw bytes.
    Other(Vec<String>, Vec<(String, Vec<u8>)>),
    Nil,
}

/// Shorthand for [`Value::Text`].
pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A run of the given number of UTF-16 code units, and its attributes.
pub(crate) type Run = (u32, Vec<(String, Value)>);

/// An attributed string to archive.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) endian: Endian,
    /// Whether the string and its text are of the mutable classes.
    pub(crate) mutability: Mutability,
    pub(crate) text: String,
    pub(crate) runs: Vec<Run>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutability {
    Immutable,
    Mutable,
}

impl Body {
    /// A little-endian, immutable string with one run, which is part 0. An empty string has no run.
    pub(crate) fn plain(text: &str) -> Self {
        let len = u32::try_from(text.encode_utf16().count()).expect("it fits");
        let part = vec![(PART.to_owned(), Value::Number('i', 0))];
        Self {
            endian: Endian::Little,
            mutability: Mutability::Immutable,
            text: text.to_owned(),
            runs: if len == 0 { vec![] } else { vec![(len, part)] },
        }
    }

    /// The given stretches of text with their attributes.
    pub(crate) fn of(stretches: &[(&str, &[(&str, Value)])]) -> Self {
        let runs = stretches.iter().map(|(text, attributes)| {
            let len = u32::try_from(text.encode_utf16().count()).expect("it fits");
            let owned = attributes
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone()));
            (len, owned.collect())
        });
        Self {
            runs: runs.collect(),
            text: stretches.iter().map(|(text, _)| *text).collect(),
            ..Self::plain("")
        }
    }

    pub(crate) fn archive(&self) -> Vec<u8> {
        let mut archiver = Archiver::new(self.endian);
        archiver.root(self);
        archiver.out
    }
}

/// Key of the part number.
pub(crate) const PART: &str = "__kIMMessagePartAttributeName";

struct Archiver {
    out: Vec<u8>,
    endian: Endian,
    strings: HashMap<Vec<u8>, i64>,
    classes: HashMap<String, i64>,
    c_strings: HashMap<String, i64>,
    values: HashMap<Value, i64>,
    /// The number of objects, classes and C strings so far, which share one table.
    objects: i64,
}

impl Archiver {
    fn new(endian: Endian) -> Self {
        let mut archiver = Self {
            out: vec![4, 11],
            endian,
            strings: HashMap::new(),
            classes: HashMap::new(),
            c_strings: HashMap::new(),
            values: HashMap::new(),
            objects: 0,
        };
        archiver.out.extend(match endian {
            Endian::Little => b"streamtyped",
            Endian::Big => b"typedstream",
        });
        archiver.integer(1000);
        archiver
    }

    fn root(&mut self, body: &Body) {
        let mutable = body.mutability == Mutability::Mutable;
        self.shared_string(b"@");
        self.begin_object();
        if mutable {
            self.class(&[
                "NSMutableAttributedString",
                "NSAttributedString",
                "NSObject",
            ]);
        } else {
            self.class(&["NSAttributedString", "NSObject"]);
        }
        self.group_object(&if mutable {
            Value::MutableText(body.text.clone())
        } else {
            text(&body.text)
        });
        let mut dictionaries: Vec<&Vec<(String, Value)>> = Vec::new();
        for (len, attributes) in &body.runs {
            self.shared_string(b"iI");
            let known = dictionaries.iter().position(|known| *known == attributes);
            let number = known.unwrap_or(dictionaries.len());
            self.integer(i64::try_from(number).expect("it fits") + 1);
            self.unsigned(u64::from(*len));
            if known.is_none() {
                dictionaries.push(attributes);
                self.group_object(&Value::Dictionary(attributes.clone()));
            }
        }
        self.out.push(END);
    }

    /// Writes a group that consists of one object.
    fn group_object(&mut self, value: &Value) {
        self.shared_string(b"@");
        self.object(value);
    }

    fn object(&mut self, value: &Value) {
        if *value == Value::Nil {
            self.out.push(NIL);
            return;
        }
        if let Some(&number) = self.values.get(value) {
            self.reference(number);
            return;
        }
        let number = self.begin_object();
        self.values.insert(value.clone(), number);
        match value {
            Value::Text(text) => {
                self.class(&["NSString", "NSObject"]);
                self.bytes(text.as_bytes());
            }
            Value::MutableText(text) => {
                self.class(&["NSMutableString", "NSString", "NSObject"]);
                self.bytes(text.as_bytes());
            }
            Value::Number(kind, number) => self.number(*kind, *number),
            Value::Url(url) => {
                self.class(&["NSURL", "NSObject"]);
                self.shared_string(b"c");
                self.out.push(0);
                self.group_object(&text(url));
            }
            Value::RelativeUrl(base, url) => {
                self.class(&["NSURL", "NSObject"]);
                self.shared_string(b"c");
                self.out.push(1);
                self.group_object(&Value::Url(base.clone()));
                self.group_object(&text(url));
            }
            Value::Data(data) => {
                self.class(&["NSMutableData", "NSData", "NSObject"]);
                self.count(data.len());
                self.shared_string(format!("[{}c]", data.len()).as_bytes());
                self.out.extend(data);
            }
            Value::Dictionary(entries) => {
                self.class(&["NSDictionary", "NSObject"]);
                self.count(entries.len());
                for (key, value) in entries {
                    self.group_object(&text(key));
                    self.group_object(value);
                }
            }
            Value::Array(items) => {
                self.class(&["NSArray", "NSObject"]);
                self.count(items.len());
                for item in items {
                    self.group_object(item);
                }
            }
            Value::Other(classes, groups) => {
                self.class(&classes.iter().map(String::as_str).collect::<Vec<_>>());
                for (encoding, raw) in groups {
                    self.shared_string(encoding.as_bytes());
                    self.out.extend(raw);
                }
            }
            Value::Nil => unreachable!("handled above"),
        }
        self.out.push(END);
    }

    fn number(&mut self, kind: char, number: i64) {
        self.class(&["NSNumber", "NSValue", "NSObject"]);
        self.shared_string(b"*");
        if let Some(&known) = self.c_strings.get(&kind.to_string()) {
            self.reference(known);
        } else {
            self.out.push(NEW);
            self.c_strings.insert(kind.to_string(), self.objects);
            self.objects += 1;
            self.shared_string(kind.to_string().as_bytes());
        }
        self.shared_string(kind.to_string().as_bytes());
        match kind {
            'c' => self
                .out
                .push(i8::try_from(number).expect("it fits").cast_unsigned()),
            'B' | 'C' => self.out.push(u8::try_from(number).expect("it fits")),
            'S' | 'I' | 'L' | 'Q' => {
                self.unsigned(u64::try_from(number).expect("it fits"));
            }
            _ => self.integer(number),
        }
    }

    /// Writes the beginning of a new object. Returns its number.
    fn begin_object(&mut self) -> i64 {
        self.out.push(NEW);
        self.objects += 1;
        self.objects - 1
    }

    /// Writes the class chain of an object, up to a class that was written before.
    fn class(&mut self, chain: &[&str]) {
        for name in chain {
            if let Some(&number) = self.classes.get(*name) {
                self.reference(number);
                return;
            }
            self.out.push(NEW);
            self.shared_string(name.as_bytes());
            // The version of a class: 1 for strings, 0 for the others.
            self.integer(i64::from(
                name.ends_with("String") && !name.contains("Attributed"),
            ));
            self.classes.insert((*name).to_owned(), self.objects);
            self.objects += 1;
        }
        self.out.push(NIL);
    }

    /// Writes a group that consists of a text's bytes.
    fn bytes(&mut self, bytes: &[u8]) {
        self.shared_string(b"+");
        self.unsigned(bytes.len() as u64);
        self.out.extend(bytes);
    }

    /// Writes a group that consists of a count.
    fn count(&mut self, count: usize) {
        self.shared_string(b"i");
        self.integer(i64::try_from(count).expect("it fits"));
    }

    fn shared_string(&mut self, string: &[u8]) {
        if let Some(&number) = self.strings.get(string) {
            self.reference(number);
            return;
        }
        let number = i64::try_from(self.strings.len()).expect("it fits");
        self.strings.insert(string.to_vec(), number);
        self.out.push(NEW);
        self.unsigned(string.len() as u64);
        self.out.extend(string);
    }

    fn reference(&mut self, number: i64) {
        self.integer(number + FIRST_REFERENCE);
    }

    fn integer(&mut self, value: i64) {
        if let Ok(byte) = i8::try_from(value)
            && i64::from(byte) >= FIRST_REFERENCE
        {
            self.out.push(byte.cast_unsigned());
        } else if let Ok(short) = i16::try_from(value) {
            self.tagged(TWO_BYTES, short.to_be_bytes());
        } else if let Ok(int) = i32::try_from(value) {
            self.tagged(FOUR_BYTES, int.to_be_bytes());
        } else {
            self.tagged(EIGHT_BYTES, value.to_be_bytes());
        }
    }

    fn unsigned(&mut self, value: u64) {
        if value < 0x80 {
            self.out.push(u8::try_from(value).expect("it fits"));
        } else if let Ok(short) = u16::try_from(value) {
            self.tagged(TWO_BYTES, short.to_be_bytes());
        } else if let Ok(int) = u32::try_from(value) {
            self.tagged(FOUR_BYTES, int.to_be_bytes());
        } else {
            self.tagged(EIGHT_BYTES, value.to_be_bytes());
        }
    }

    fn tagged<const N: usize>(&mut self, tag: u8, mut big_endian: [u8; N]) {
        if self.endian == Endian::Little {
            big_endian.reverse();
        }
        self.out.push(tag);
        self.out.extend(big_endian);
    }
}
