//! Reads binary property lists: the edit summary of a message, the payload of a balloon, and `user_info`
//! of an attachment.
//!
//! Each object is read in the bytes of the list when it is asked for; no tree is built. A reader that builds the
//! whole tree can be made to fill the memory by a few hundred bytes, since objects may be shared, and to exhaust the
//! stack by nesting. An object out of bounds counts as absent, and no input panics.

/// The kinds of objects, as the upper four bits of their first byte. The lower four are a count or a size.
const INTEGER: u8 = 0x10;
const DATA: u8 = 0x40;
const ASCII_STRING: u8 = 0x50;
const UTF16_STRING: u8 = 0x60;
const UID: u8 = 0x80;
const ARRAY: u8 = 0xA0;
const DICTIONARY: u8 = 0xD0;

const MAGIC: &[u8] = b"bplist00";
const TRAILER_BYTES: usize = 32;
/// A look-up of a key searches at most this many entries of a dictionary, so that nested look-ups stay cheap.
const MAX_ENTRIES: usize = 4_096;

/// A property list with a valid trailer.
pub(super) struct Plist<'a> {
    /// The objects, and the offsets after them.
    bytes: &'a [u8],
    /// For each object, by its number, its place in `bytes`.
    offsets: &'a [u8],
    /// The size of an offset.
    offset_bytes: usize,
    /// The size of the number by which an array or a dictionary refers to an object.
    reference_bytes: usize,
    /// The number of the outermost object.
    top: u64,
}

/// An object of a list, by its number.
#[derive(Clone, Copy)]
pub(super) struct Object<'a> {
    list: &'a Plist<'a>,
    number: u64,
}

impl<'a> Plist<'a> {
    /// The list in `bytes`; `None` if they do not begin and end as a binary property list does.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        if !bytes.starts_with(MAGIC) {
            return None;
        }
        let trailer = bytes.len().checked_sub(TRAILER_BYTES)?;
        let (objects, trailer) = bytes.split_at_checked(trailer)?;
        // The trailer: 6 bytes of no use here, the sizes of offsets and of references, the number of objects, that of
        // the outermost object, and the place of the offsets.
        let field = |from: usize| trailer.get(from..from + 8).and_then(number);
        Some(Self {
            bytes: objects,
            offsets: objects.get(usize::try_from(field(24)?).ok()?..)?,
            offset_bytes: usize::from(trailer[6]),
            reference_bytes: usize::from(trailer[7]),
            top: field(16)?,
        })
    }

    /// The outermost object.
    pub(super) fn top(&'a self) -> Object<'a> {
        Object {
            list: self,
            number: self.top,
        }
    }

    /// The first byte of the object with the number `object`, and all bytes after it.
    fn object(&self, object: u64) -> Option<(u8, &'a [u8])> {
        let at = usize::try_from(object)
            .ok()?
            .checked_mul(self.offset_bytes)?;
        let offset = self.offsets.get(at..at.checked_add(self.offset_bytes)?)?;
        let offset = usize::try_from(number(offset)?).ok()?;
        let (marker, rest) = self.bytes.get(offset..)?.split_first()?;
        Some((*marker, rest))
    }
}

impl<'a> Object<'a> {
    /// The value under `key`, if this is a dictionary.
    pub(super) fn get(self, key: &str) -> Option<Self> {
        let mut entries = self.entries()?.take(MAX_ENTRIES);
        entries.find_map(|(name, value)| (name.ascii()? == key.as_bytes()).then_some(value))
    }

    /// The keys, if this is a dictionary.
    pub(super) fn keys(self) -> Option<impl Iterator<Item = Self>> {
        Some(self.entries()?.map(|(key, _)| key))
    }

    /// The values, if this is a dictionary.
    pub(super) fn values(self) -> Option<impl Iterator<Item = Self>> {
        Some(self.entries()?.map(|(_, value)| value))
    }

    /// The elements, if this is an array.
    pub(super) fn elements(self) -> Option<impl ExactSizeIterator<Item = Self>> {
        let (count, rest) = self.counted(ARRAY)?;
        self.references(rest, count)
    }

    /// The number, if this is an integer.
    pub(super) fn integer(self) -> Option<i64> {
        let (marker, rest) = self.list.object(self.number)?;
        let bytes = 1_usize << (marker & 0x0F);
        match (marker & 0xF0, bytes) {
            (INTEGER, 1 | 2 | 4) => number(rest.get(..bytes)?)?.try_into().ok(),
            // An integer of eight bytes is signed.
            (INTEGER, 8) => Some(number(rest.get(..8)?)?.cast_signed()),
            _ => None,
        }
    }

    /// The text, if this is a string. Unpaired surrogates read as U+FFFD.
    pub(super) fn string(self) -> Option<String> {
        if let Some(ascii) = self.ascii() {
            return Some(ascii.iter().map(|byte| char::from(*byte)).collect());
        }
        let (count, rest) = self.counted(UTF16_STRING)?;
        let units = rest.get(..count.checked_mul(2)?)?.chunks_exact(2);
        let units = units.map(|unit| u16::from_be_bytes([unit[0], unit[1]]));
        Some(
            char::decode_utf16(units)
                .map(|c| c.unwrap_or('\u{fffd}'))
                .collect(),
        )
    }

    /// Whether this is the string `text`. The string is built only if it has the same length.
    pub(super) fn is_text(self, text: &str) -> bool {
        if let Some(ascii) = self.ascii() {
            return ascii == text.as_bytes();
        }
        let Some((count, _)) = self.counted(UTF16_STRING) else {
            return false;
        };
        count == text.encode_utf16().count() && self.string().as_deref() == Some(text)
    }

    /// The bytes, if this is data.
    pub(super) fn data(self) -> Option<&'a [u8]> {
        let (count, rest) = self.counted(DATA)?;
        rest.get(..count)
    }

    /// The index that a UID holds, which in a keyed archive is a place in the array `$objects`; `None` if this is no
    /// UID.
    pub(super) fn uid(self) -> Option<u64> {
        let (marker, rest) = self.list.object(self.number)?;
        if marker & 0xF0 != UID {
            return None;
        }
        number(rest.get(..usize::from(marker & 0x0F) + 1)?)
    }

    /// The element at `index`, if this is an array that has one.
    pub(super) fn element(self, index: u64) -> Option<Self> {
        let (count, rest) = self.counted(ARRAY)?;
        let index = usize::try_from(index).ok().filter(|index| *index < count)?;
        let reference_bytes = self.list.reference_bytes;
        let at = index.checked_mul(reference_bytes)?;
        self.references(rest.get(at..)?, 1)?.next()
    }

    /// The bytes, if this is a string in ASCII.
    fn ascii(self) -> Option<&'a [u8]> {
        let (count, rest) = self.counted(ASCII_STRING)?;
        rest.get(..count)
    }

    /// The keys with their values, if this is a dictionary.
    fn entries(self) -> Option<impl Iterator<Item = (Self, Self)>> {
        let (count, rest) = self.counted(DICTIONARY)?;
        let keys = self.references(rest, count)?;
        let values = rest.get(count.checked_mul(self.list.reference_bytes)?..)?;
        Some(keys.zip(self.references(values, count)?))
    }

    /// The element count of an object of this kind, and all bytes after the count. If its first byte has the count 15,
    /// the real count follows as an integer.
    fn counted(self, kind: u8) -> Option<(usize, &'a [u8])> {
        let (marker, rest) = self.list.object(self.number)?;
        if marker & 0xF0 != kind {
            return None;
        }
        let count = usize::from(marker & 0x0F);
        if count < 15 {
            return Some((count, rest));
        }
        let (marker, rest) = rest.split_first()?;
        if !(0x10..=0x13).contains(marker) {
            return None;
        }
        let (count, rest) = rest.split_at_checked(1 << (marker & 0x0F))?;
        Some((usize::try_from(number(count)?).ok()?, rest))
    }

    /// The `count` objects whose numbers are in `bytes`.
    fn references(
        self,
        bytes: &'a [u8],
        count: usize,
    ) -> Option<impl ExactSizeIterator<Item = Self>> {
        let list = self.list;
        let reference_bytes = list.reference_bytes;
        if !(1..=8).contains(&reference_bytes) {
            return None;
        }
        let bytes = bytes.get(..count.checked_mul(reference_bytes)?)?;
        Some(
            bytes
                .chunks_exact(reference_bytes)
                .map(move |reference| Self {
                    list,
                    number: number(reference).unwrap_or(u64::MAX),
                }),
        )
    }
}

/// A big-endian number of 1 to 8 bytes.
fn number(bytes: &[u8]) -> Option<u64> {
    if !(1..=8).contains(&bytes.len()) {
        return None;
    }
    Some(
        bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte)),
    )
}
