//! Writes archives of `NSKeyedArchiver`, the format of `message.payload_data`.
//!
//! An archive is a binary property list. `$objects` has every object once. Objects refer to other objects and
//! to their class by UID. This writer shares no code with the relay's reader, so
//! that a mistake in one of them makes tests fail.

use plist::{Dictionary, Uid, Value};

#[derive(Clone, Debug, PartialEq)]
pub enum Archived {
    Null,
    /// `NSString`, `NSNumber` or `NSData`
    Plain(Value),
    /// `NSURL` without a base
    Url(String),
    /// `NSArray`
    Array(Vec<Self>),
    /// `NSDictionary`
    Dictionary(Vec<(String, Self)>),
    /// An object of any other class, with its fields.
    Object {
        classes: Vec<&'static str>,
        fields: Vec<(String, Self)>,
    },
}

impl Archived {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Plain(Value::String(text.into()))
    }

    /// A dictionary. Absent entries are left out.
    pub fn dictionary<K: Into<String>>(
        entries: impl IntoIterator<Item = (K, Option<Self>)>,
    ) -> Self {
        Self::Dictionary(without_absent(entries))
    }

    /// An object of a direct subclass of `NSObject`. Absent fields are left out.
    pub fn object<K: Into<String>>(
        class: &'static str,
        fields: impl IntoIterator<Item = (K, Option<Self>)>,
    ) -> Self {
        Self::Object {
            classes: vec![class, "NSObject"],
            fields: without_absent(fields),
        }
    }
}

fn without_absent<K: Into<String>>(
    entries: impl IntoIterator<Item = (K, Option<Archived>)>,
) -> Vec<(String, Archived)> {
    let entries = entries.into_iter();
    entries
        .filter_map(|(key, value)| Some((key.into(), value?)))
        .collect()
}

/// Archives `root` under the key `root`.
pub fn keyed_archive(root: &Archived) -> Vec<u8> {
    let mut archiver = Archiver {
        objects: vec![Value::String("$null".to_owned())],
    };
    let root = archiver.add(root);
    let archive = dictionary([
        ("$version", Value::Integer(100_000.into())),
        ("$archiver", Value::String("NSKeyedArchiver".to_owned())),
        ("$top", dictionary([("root", root)])),
        ("$objects", Value::Array(archiver.objects)),
    ]);
    let mut bytes = Vec::new();
    archive
        .to_writer_binary(&mut bytes)
        .expect("a list of plain values can be written into memory");
    bytes
}

struct Archiver {
    objects: Vec<Value>,
}

impl Archiver {
    /// Adds an object and the objects inside it. Returns its UID.
    fn add(&mut self, object: &Archived) -> Value {
        match object {
            Archived::Null => uid(0),
            Archived::Plain(value) => self.add_shared(value.clone()),
            Archived::Url(url) => {
                let index = self.reserve();
                let relative = self.add_shared(url.as_str().into());
                let fields = [("NS.base", uid(0)), ("NS.relative", relative)];
                self.fill(index, dictionary(fields), &["NSURL", "NSObject"])
            }
            Archived::Array(values) => {
                let index = self.reserve();
                let values = values.iter().map(|value| self.add(value)).collect();
                let fields = dictionary([("NS.objects", Value::Array(values))]);
                self.fill(index, fields, &["NSArray", "NSObject"])
            }
            Archived::Dictionary(entries) => {
                let index = self.reserve();
                let names = entries.iter().map(|(key, _)| Archived::text(key));
                let keys = names.map(|key| self.add(&key)).collect();
                let values = entries.iter().map(|(_, value)| self.add(value)).collect();
                let fields = dictionary([
                    ("NS.keys", Value::Array(keys)),
                    ("NS.objects", Value::Array(values)),
                ]);
                self.fill(index, fields, &["NSDictionary", "NSObject"])
            }
            Archived::Object { classes, fields } => {
                let index = self.reserve();
                let fields = fields.iter().map(|(key, value)| {
                    let value = match value {
                        // Numbers and booleans are stored in the object itself, not by UID.
                        Archived::Plain(scalar @ (Value::Integer(_) | Value::Boolean(_))) => {
                            scalar.clone()
                        }
                        other => self.add(other),
                    };
                    (key.clone(), value)
                });
                let fields = Value::Dictionary(fields.collect());
                self.fill(index, fields, classes)
            }
        }
    }

    /// Adds a value, unless an equal one is there. Returns its UID, which equal values share.
    fn add_shared(&mut self, value: Value) -> Value {
        // Object 0 is `$null`, which must not be used for an equal text.
        let known = self.objects[1..].iter().position(|known| *known == value);
        let index = known.map_or(self.objects.len(), |index| index + 1);
        if index == self.objects.len() {
            self.objects.push(value);
        }
        uid(index)
    }

    /// Reserves the index of an object, which is lower than the indexes of the objects inside it.
    fn reserve(&mut self) -> usize {
        // The placeholder is a UID. `add_shared` is never called with a UID, so it takes no placeholder for a value.
        self.objects.push(uid(0));
        self.objects.len() - 1
    }

    /// Puts the object into its reserved place, with its class. Returns its UID.
    fn fill(&mut self, index: usize, mut fields: Value, classes: &[&str]) -> Value {
        let names = classes.iter().map(|name| Value::String((*name).to_owned()));
        let class = self.add_shared(dictionary([
            ("$classname", Value::String(classes[0].to_owned())),
            ("$classes", Value::Array(names.collect())),
        ]));
        if let Some(fields) = fields.as_dictionary_mut() {
            fields.insert("$class".to_owned(), class);
        }
        self.objects[index] = fields;
        uid(index)
    }
}

fn uid(number: usize) -> Value {
    Value::Uid(Uid::new(number as u64))
}

fn dictionary<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let entries = entries.map(|(key, value)| (key.to_owned(), value));
    Value::Dictionary(entries.into_iter().collect::<Dictionary>())
}
