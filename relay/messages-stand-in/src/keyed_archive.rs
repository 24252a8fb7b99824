//! Archives of `NSKeyedArchiver`, as balloons keep them in `message.payload_data`.
//!
//! Such an archive is a binary property list: `$objects` holds every object once, objects name one
//! another by UID, and each says its class. Written from the format's description and apart from the
//! reader that the relay uses, so that a mistake in one shows up as a disagreement with the other.

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
    /// Any other class with the fields that it encodes.
    Object {
        classes: Vec<&'static str>,
        fields: Vec<(String, Self)>,
    },
}

impl Archived {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Plain(Value::String(text.into()))
    }

    pub fn dictionary<K: Into<String>>(
        entries: impl IntoIterator<Item = (K, Option<Self>)>,
    ) -> Self {
        Self::Dictionary(present(entries))
    }

    /// An object of a class directly under `NSObject`, with the fields that are there.
    pub fn object<K: Into<String>>(
        class: &'static str,
        fields: impl IntoIterator<Item = (K, Option<Self>)>,
    ) -> Self {
        Self::Object {
            classes: vec![class, "NSObject"],
            fields: present(fields),
        }
    }
}

fn present<K: Into<String>>(
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
    /// Adds an object and what it holds; returns its UID.
    fn add(&mut self, object: &Archived) -> Value {
        match object {
            Archived::Null => uid(0),
            Archived::Plain(value) => self.shared(value.clone()),
            Archived::Url(url) => {
                let place = self.reserve();
                let relative = self.shared(url.as_str().into());
                let fields = [("NS.base", uid(0)), ("NS.relative", relative)];
                self.fill(place, dictionary(fields), &["NSURL", "NSObject"])
            }
            Archived::Array(values) => {
                let place = self.reserve();
                let values = values.iter().map(|value| self.add(value)).collect();
                let fields = dictionary([("NS.objects", Value::Array(values))]);
                self.fill(place, fields, &["NSArray", "NSObject"])
            }
            Archived::Dictionary(entries) => {
                let place = self.reserve();
                let names = entries.iter().map(|(key, _)| Archived::text(key));
                let keys = names.map(|key| self.add(&key)).collect();
                let values = entries.iter().map(|(_, value)| self.add(value)).collect();
                let fields = dictionary([
                    ("NS.keys", Value::Array(keys)),
                    ("NS.objects", Value::Array(values)),
                ]);
                self.fill(place, fields, &["NSDictionary", "NSObject"])
            }
            Archived::Object { classes, fields } => {
                let place = self.reserve();
                let fields = fields.iter().map(|(key, value)| {
                    let value = match value {
                        // Scalars stand in the object itself.
                        Archived::Plain(scalar @ (Value::Integer(_) | Value::Boolean(_))) => {
                            scalar.clone()
                        }
                        other => self.add(other),
                    };
                    (key.clone(), value)
                });
                let fields = Value::Dictionary(fields.collect());
                self.fill(place, fields, classes)
            }
        }
    }

    /// A value that is the same object wherever it occurs.
    fn shared(&mut self, value: Value) -> Value {
        // The first object is `$null`, which no text may be taken for.
        let known = self.objects[1..].iter().position(|known| *known == value);
        let index = known.map_or(self.objects.len(), |index| index + 1);
        if index == self.objects.len() {
            self.objects.push(value);
        }
        uid(index)
    }

    /// An object takes its number before what it holds.
    fn reserve(&mut self) -> usize {
        // No shared value equals a UID.
        self.objects.push(uid(0));
        self.objects.len() - 1
    }

    fn fill(&mut self, place: usize, mut fields: Value, classes: &[&str]) -> Value {
        let names = classes.iter().map(|name| Value::String((*name).to_owned()));
        let class = self.shared(dictionary([
            ("$classname", Value::String(classes[0].to_owned())),
            ("$classes", Value::Array(names.collect())),
        ]));
        if let Some(fields) = fields.as_dictionary_mut() {
            fields.insert("$class".to_owned(), class);
        }
        self.objects[place] = fields;
        uid(place)
    }
}

fn uid(number: usize) -> Value {
    Value::Uid(Uid::new(number as u64))
}

fn dictionary<const N: usize>(entries: [(&str, Value); N]) -> Value {
    let entries = entries.map(|(key, value)| (key.to_owned(), value));
    Value::Dictionary(entries.into_iter().collect::<Dictionary>())
}
