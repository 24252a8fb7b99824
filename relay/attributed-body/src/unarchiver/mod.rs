//! Reads the object graph of an archive: shared strings, classes, objects, and references to them.
//!
//! Two tables number the strings and the objects in the order of appearance. Classes and C strings are in
//! the table of objects, and an object gets its number before its class. A reference is followed by one
//! step only, so cycles do no harm. The depth is bounded. `fuel` bounds the number of skipped values, because
//! values that take no bytes could be declared by the billion.

mod foundation;

use crate::DecodeError;
use crate::stream::{NEW, NIL, Stream};
use foundation::Dictionary;

pub(crate) use foundation::Class;

/// The byte of the first reference, which is -110 as a signed number: the first byte after the tags.
const FIRST_REFERENCE: u8 = 0x92;
/// Deepest nesting: far more than a message needs, and far less than a thread's stack allows.
const MAX_DEPTH: usize = 64;
/// Initial sizes of the tables, enough for a message of one or two parts.
const USUAL_STRINGS: usize = 24;
const USUAL_OBJECTS: usize = 32;

/// An entry of the table of objects.
#[derive(Clone, Copy)]
pub(crate) enum Object<'a> {
    Class(Class),
    CString,
    Text(&'a str),
    Integer(i64),
    Url(&'a str),
    /// Index into [`Unarchiver::dictionaries`].
    Dictionary(usize),
    /// An object of another class, or one that is not read to its end yet.
    Opaque,
}

pub(crate) struct Unarchiver<'a> {
    pub(crate) stream: Stream<'a>,
    pub(crate) dictionaries: Vec<Dictionary<'a>>,
    strings: Vec<&'a [u8]>,
    objects: Vec<Object<'a>>,
    /// How many objects, arrays and structures the current value is inside.
    depth: usize,
    /// The units that are left for skipping values; see [`Self::spend_fuel`].
    fuel: usize,
}

impl<'a> Unarchiver<'a> {
    /// Reads the header of the archive.
    pub(crate) fn open(archive: &'a [u8]) -> Result<Self, DecodeError> {
        let stream = Stream::open(archive)?;
        Ok(Self {
            // A real archive needs about one unit per byte. The factor leaves room.
            fuel: stream.len().saturating_mul(16),
            stream,
            dictionaries: Vec::new(),
            strings: Vec::with_capacity(USUAL_STRINGS),
            objects: Vec::with_capacity(USUAL_OBJECTS),
            depth: 0,
        })
    }

    /// Reads an object; `None` for nil.
    pub(crate) fn object(&mut self) -> Result<Option<Object<'a>>, DecodeError> {
        match self.stream.byte()? {
            NIL => Ok(None),
            NEW => self.new_object().map(Some),
            first => match self.referenced_object(first)? {
                Object::Class(_) | Object::CString => {
                    Err(self.stream.last_byte_is_not("an object"))
                }
                object => Ok(Some(object)),
            },
        }
    }

    /// Reads an object that is not a reference, and gives it the next number.
    fn new_object(&mut self) -> Result<Object<'a>, DecodeError> {
        let (number, class) = self.begin_object()?;
        self.descend()?;
        let object = self.contents(class)?;
        self.ascend();
        self.objects[number] = object;
        Ok(object)
    }

    /// Reads the beginning of an object up to its class. Returns the object's number and class.
    pub(crate) fn begin_object(&mut self) -> Result<(usize, Class), DecodeError> {
        let number = self.objects.len();
        self.objects.push(Object::Opaque);
        match self.class()? {
            Some(class) => Ok((number, class)),
            None => Err(self.stream.last_byte_is_not("a class")),
        }
    }

    /// Reads a chain of classes, from the object's own class to the root class or to one that was read
    /// before. Returns the object's class; `None` for nil.
    pub(crate) fn class(&mut self) -> Result<Option<Class>, DecodeError> {
        let first_number = self.objects.len();
        let ancestor = loop {
            match self.stream.byte()? {
                NEW => {
                    let name = self.required_string("a class name")?;
                    self.stream.signed()?; // the class's version
                    self.objects.push(Object::Class(Class::named(name)));
                }
                NIL if self.objects.len() == first_number => return Ok(None),
                NIL => break Class::Other,
                first => match self.referenced_object(first)? {
                    Object::Class(class) => break class,
                    _ => return Err(self.stream.last_byte_is_not("a class")),
                },
            }
        };
        // A class with an unknown name counts as its closest known ancestor.
        let mut nearest_known = ancestor;
        for object in self.objects[first_number..].iter_mut().rev() {
            match object {
                Object::Class(Class::Other) => *object = Object::Class(nearest_known),
                Object::Class(own) => nearest_known = *own,
                _ => {}
            }
        }
        Ok(Some(nearest_known))
    }

    /// Skips a C string, which has a number in the table of objects.
    pub(crate) fn skip_c_string(&mut self) -> Result<(), DecodeError> {
        match self.stream.byte()? {
            NIL => Ok(()),
            NEW => {
                self.objects.push(Object::CString);
                self.required_string("a C string").map(drop)
            }
            first => match self.referenced_object(first)? {
                Object::CString => Ok(()),
                _ => Err(self.stream.last_byte_is_not("a C string")),
            },
        }
    }

    /// Reads the type encoding of the next group of values.
    pub(crate) fn encoding(&mut self) -> Result<&'a [u8], DecodeError> {
        self.required_string("a type encoding")
    }

    /// Reads a shared string; `None` for nil.
    #[inline]
    pub(crate) fn shared_string(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        match self.stream.byte()? {
            NIL => Ok(None),
            NEW => self.new_string().map(Some),
            first => {
                let number = self.reference(first)?;
                match self.strings.get(number) {
                    Some(string) => Ok(Some(string)),
                    None => Err(self.stream.last_byte_is_not("a string seen before")),
                }
            }
        }
    }

    /// Reads a string that is not a reference, and gives it the next number.
    fn new_string(&mut self) -> Result<&'a [u8], DecodeError> {
        let Some(string) = self.stream.counted()? else {
            return Err(self.stream.last_byte_is_not("a string"));
        };
        self.strings.push(string);
        Ok(string)
    }

    /// Reads a shared string. Nil is an error that names `expected`.
    fn required_string(&mut self, expected: &'static str) -> Result<&'a [u8], DecodeError> {
        match self.shared_string()? {
            Some(string) => Ok(string),
            None => Err(self.stream.last_byte_is_not(expected)),
        }
    }

    /// The entry to which a reference with this first byte refers.
    fn referenced_object(&mut self, first: u8) -> Result<Object<'a>, DecodeError> {
        let number = self.reference(first)?;
        match self.objects.get(number) {
            Some(object) => Ok(*object),
            None => Err(self.stream.last_byte_is_not("an object seen before")),
        }
    }

    /// Reads the rest of a reference after its first byte. Returns the number of the string or object.
    #[inline]
    fn reference(&mut self, first: u8) -> Result<usize, DecodeError> {
        // The bytes from `FIRST_REFERENCE` on are the first 110 references. Few messages have more.
        if first >= FIRST_REFERENCE {
            return Ok(usize::from(first - FIRST_REFERENCE));
        }
        let lowest = i64::from(FIRST_REFERENCE.cast_signed());
        usize::try_from(self.stream.signed_after(first)?.saturating_sub(lowest))
            .map_err(|_| self.stream.last_byte_is_not("a reference"))
    }

    /// Goes one level deeper; an error beyond [`MAX_DEPTH`].
    pub(crate) fn descend(&mut self) -> Result<(), DecodeError> {
        if self.depth == MAX_DEPTH {
            return Err(self.too_complex());
        }
        self.depth += 1;
        Ok(())
    }

    pub(crate) fn ascend(&mut self) {
        self.depth -= 1;
    }

    /// Spends `fuel` units on skipping a value; an error if fewer are left.
    pub(crate) fn spend_fuel(&mut self, fuel: usize) -> Result<(), DecodeError> {
        match self.fuel.checked_sub(fuel) {
            Some(left) => {
                self.fuel = left;
                Ok(())
            }
            None => Err(self.too_complex()),
        }
    }

    fn too_complex(&self) -> DecodeError {
        DecodeError::TooComplex {
            offset: self.stream.offset(),
        }
    }
}
