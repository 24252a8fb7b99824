//! Archives of `NSKeyedArchiver`: the format in which `message.payload_data` has the content of polls,
//! links and apps.
//!
//! Such an archive is a binary property list with an array `$objects`, whose objects refer to one
//! another by UID. [`super::plist`] reads each object in the bytes of the list and builds no tree, so
//! cycles of references do no harm. A damaged object, or one of another shape, counts as absent.

use super::plist::{Object, Plist};

/// Most UIDs that are followed to find a value; after that the value counts as absent.
const MAX_HOPS: usize = 4;
/// Most keys of an archived dictionary that are read.
const MAX_KEYS: usize = 256;
/// Most values that [`Archived::values`] returns.
const MAX_VALUES: usize = 64;

/// A value of an archive.
#[derive(Clone, Copy)]
pub(super) struct Archived<'a> {
    /// The array to which UIDs refer.
    objects: Object<'a>,
    object: Object<'a>,
}

/// The root object of an archive. For a property list that is no archive, its outermost object.
pub(super) fn root<'a>(list: &'a Plist<'a>) -> Option<Archived<'a>> {
    let object = list.top();
    let Some((objects, top)) = object.get("$objects").zip(object.get("$top")) else {
        let objects = object;
        return Some(Archived { objects, object });
    };
    let archive = Archived {
        objects,
        object: top,
    };
    archive.resolve(top.get("root")?)
}

impl<'a> Archived<'a> {
    /// The value of `object`, which may be a UID.
    fn resolve(self, mut object: Object<'a>) -> Option<Self> {
        for _ in 0..MAX_HOPS {
            let Some(uid) = object.uid() else {
                return Some(Self { object, ..self });
            };
            // Object 0 is `$null`.
            if uid == 0 {
                return None;
            }
            object = self.objects.element(uid)?;
        }
        None
    }

    /// The value under `key`: a field of an object, or an entry of an archived dictionary.
    pub(super) fn get(self, key: &str) -> Option<Self> {
        if let Some(field) = self.object.get(key) {
            return self.resolve(field);
        }
        let keys = self.object.get("NS.keys")?.elements()?;
        let values = self.object.get("NS.objects")?;
        let (index, _) = (0..).zip(keys.take(MAX_KEYS)).find(|(_, name)| {
            let name = self.resolve(*name);
            name.is_some_and(|name| name.is_text(key))
        })?;
        self.resolve(values.element(index)?)
    }

    /// The first values of an archived dictionary, else of the fields of an object.
    pub(super) fn values(self) -> impl Iterator<Item = Self> {
        let archived = self.object.get("NS.objects").and_then(Object::elements);
        let fields = match archived {
            Some(_) => None,
            None => self.object.values(),
        };
        let values = archived.into_iter().flatten();
        values
            .chain(fields.into_iter().flatten())
            .take(MAX_VALUES)
            .filter_map(move |value| self.resolve(value))
    }

    /// The object in the field `key`.
    fn field(self, key: &str) -> Option<Object<'a>> {
        Some(self.resolve(self.object.get(key)?)?.object)
    }

    /// The text of a string, as a plain string or an `NSString`.
    pub(super) fn text(self) -> Option<String> {
        let inner = || self.field("NS.string")?.string();
        self.object.string().or_else(inner)
    }

    /// Whether this is the string `text`, as a plain string or an `NSString`.
    fn is_text(self, text: &str) -> bool {
        let is_text = |object: Object<'_>| object.is_text(text);
        is_text(self.object) || self.field("NS.string").is_some_and(is_text)
    }

    /// The address in an `NSURL` or a string. The base address, to which an `NSURL` may be relative, is not read.
    pub(super) fn url(self) -> Option<String> {
        self.text().or_else(|| self.get("NS.relative")?.text())
    }

    /// The bytes of data, as plain data or an `NSData`.
    pub(super) fn data(self) -> Option<&'a [u8]> {
        let inner = || self.field("NS.data")?.data();
        self.object.data().or_else(inner)
    }
}

#[cfg(test)]
mod tests {
    use plist::{Uid, Value};
    use proptest::prelude::*;

    use super::*;

    fn dictionary<const N: usize>(entries: [(&str, Value); N]) -> Value {
        let entries = entries.map(|(key, value)| (key.to_owned(), value));
        Value::Dictionary(entries.into_iter().collect())
    }

    fn text(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    fn uid(number: u64) -> Value {
        Value::Uid(Uid::new(number))
    }

    fn archive(objects: Vec<Value>) -> Vec<u8> {
        let list = dictionary([
            ("$version", Value::Integer(100_000.into())),
            ("$archiver", text("NSKeyedArchiver")),
            ("$top", dictionary([("root", uid(1))])),
            ("$objects", Value::Array(objects)),
        ]);
        let mut bytes = Vec::new();
        list.to_writer_binary(&mut bytes).unwrap();
        bytes
    }

    /// The metadata of a link inside an object, and a dictionary beside it.
    fn sample() -> Vec<u8> {
        archive(vec![
            text("$null"),
            dictionary([("richLinkMetadata", uid(2)), ("$class", uid(9))]),
            dictionary([
                ("title", uid(3)),
                ("URL", uid(4)),
                ("icon", uid(0)),
                ("extra", uid(6)),
                ("blob", uid(8)),
            ]),
            text("Ein Artikel über Äpfel 🍏"),
            dictionary([("NS.base", uid(0)), ("NS.relative", uid(5))]),
            text("https://example.com/a"),
            dictionary([
                ("NS.keys", Value::Array(vec![uid(5), uid(7)])),
                ("NS.objects", Value::Array(vec![uid(3), uid(5)])),
            ]),
            dictionary([("NS.string", text("an"))]),
            dictionary([("NS.data", Value::Data(vec![1, 2, 3]))]),
            dictionary([("$classname", text("RichLink"))]),
        ])
    }

    /// The title of the link in `bytes`. The other fields are read only because no input may make them panic.
    fn title_of(bytes: &[u8]) -> Option<String> {
        let list = Plist::read(bytes)?;
        let metadata = root(&list)?.get("richLinkMetadata")?;
        let _ = metadata.get("URL").and_then(Archived::url);
        let _ = metadata.get("blob").and_then(Archived::data);
        let _ = metadata.get("extra").and_then(|extra| extra.get("an"));
        metadata.get("title")?.text()
    }

    #[test]
    fn fields_dictionaries_urls_and_data_are_found() {
        let bytes = sample();
        assert_eq!(
            title_of(&bytes).as_deref(),
            Some("Ein Artikel über Äpfel 🍏")
        );
        let list = Plist::read(&bytes).unwrap();
        let root = root(&list).unwrap();
        let metadata = root.get("richLinkMetadata").unwrap();
        let url = metadata.get("URL").and_then(Archived::url);
        assert_eq!(url.as_deref(), Some("https://example.com/a"));
        assert!(metadata.get("icon").is_none(), "null is absent");
        assert!(metadata.get("no such field").is_none());
        let extra = metadata.get("extra").unwrap();
        assert_eq!(
            extra.get("an").and_then(Archived::text).as_deref(),
            Some("https://example.com/a")
        );
        assert_eq!(
            metadata.get("blob").and_then(Archived::data),
            Some([1, 2, 3].as_slice())
        );
    }

    #[test]
    fn references_in_a_cycle_or_beyond_the_end_are_absent() {
        for objects in [
            vec![text("$null"), uid(1)],
            vec![text("$null"), uid(2), uid(1)],
            vec![text("$null"), uid(7)],
            vec![text("$null")],
            vec![],
        ] {
            let bytes = archive(objects);
            let list = Plist::read(&bytes).unwrap();
            assert!(root(&list).is_none());
        }
    }

    #[test]
    fn a_property_list_that_is_no_archive_is_its_own_root() {
        let mut bytes = Vec::new();
        let list = dictionary([("audio-transcription", text("hello"))]);
        list.to_writer_binary(&mut bytes).unwrap();
        let list = Plist::read(&bytes).unwrap();
        let root = root(&list).unwrap();
        let entry = root.get("audio-transcription").and_then(Archived::text);
        assert_eq!(entry.as_deref(), Some("hello"), "it is its own root");
        let transcript = list.top().get("audio-transcription");
        assert_eq!(
            transcript.and_then(Object::string).as_deref(),
            Some("hello")
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_damage_makes_the_reader_panic(at in 0..900_usize, byte: u8, cut in 0..900_usize) {
            let mut bytes = sample();
            let at = at % bytes.len();
            bytes[at] = byte;
            title_of(&bytes);
            bytes.truncate(cut);
            title_of(&bytes);
        }
    }
}
