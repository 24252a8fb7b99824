//! A reader of keyed archives that shares no code with the writer.

use plist::Value;

/// A keyed archive.
pub(crate) struct Archive(Value);

/// An object of an archive.
#[derive(Clone, Copy)]
pub(crate) struct Object<'a> {
    archive: &'a Archive,
    value: &'a Value,
}

impl Archive {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let value = Value::from_reader(std::io::Cursor::new(bytes)).unwrap();
        let list = value.as_dictionary().unwrap();
        assert_eq!(
            list.get("$archiver").unwrap().as_string(),
            Some("NSKeyedArchiver")
        );
        assert_eq!(
            list.get("$version").unwrap().as_signed_integer(),
            Some(100_000)
        );
        Self(value)
    }

    pub(crate) fn objects(&self) -> &[Value] {
        let list = self.0.as_dictionary().unwrap();
        list.get("$objects").unwrap().as_array().unwrap()
    }

    pub(crate) fn root(&self) -> Object<'_> {
        let list = self.0.as_dictionary().unwrap();
        let top = list.get("$top").unwrap().as_dictionary().unwrap();
        self.resolve(top.get("root").unwrap()).unwrap()
    }

    /// The object to which a UID refers, `None` for nil. Any other value is itself.
    fn resolve<'a>(&'a self, value: &'a Value) -> Option<Object<'a>> {
        let value = match value.as_uid() {
            Some(uid) if uid.get() == 0 => return None,
            Some(uid) => &self.objects()[usize::try_from(uid.get()).unwrap()],
            None => value,
        };
        Some(Object {
            archive: self,
            value,
        })
    }
}

impl<'a> Object<'a> {
    pub(crate) fn value(self) -> &'a Value {
        self.value
    }

    /// A field of an object, or an entry of a dictionary.
    pub(crate) fn get(self, key: &str) -> Option<Self> {
        let fields = self.value.as_dictionary()?;
        let list = |name: &str| fields.get(name).and_then(Value::as_array);
        let value = match (list("NS.keys"), list("NS.objects")) {
            (Some(keys), Some(values)) => {
                let names = keys.iter().map(|name| self.archive.resolve(name).unwrap());
                let index = names
                    .clone()
                    .position(|name| name.value.as_string() == Some(key))?;
                &values[index]
            }
            _ => fields.get(key)?,
        };
        self.archive.resolve(value)
    }

    /// The name of the object's class.
    pub(crate) fn class(self) -> &'a str {
        let class = self.value.as_dictionary().unwrap().get("$class").unwrap();
        let class = self.archive.resolve(class).unwrap();
        let class = class.value.as_dictionary().unwrap();
        let name = class.get("$classname").unwrap().as_string().unwrap();
        assert_eq!(
            class.get("$classes").unwrap().as_array().unwrap()[0].as_string(),
            Some(name)
        );
        name
    }

    pub(crate) fn is_text(self) -> bool {
        self.value.as_string().is_some()
    }

    pub(crate) fn text(self) -> Option<String> {
        self.value.as_string().map(str::to_owned)
    }

    /// The text of an `NSURL` or of a string.
    pub(crate) fn url(self) -> Option<String> {
        self.text().or_else(|| self.get("NS.relative")?.text())
    }
}
