//! A JSON document in pieces, so that a history of any length is never held as a whole.

use serde::Serialize;

/// The document as far as the first item of `field`, an array that comes after the fields of `head`.
pub(super) fn up_to_array(head: &impl Serialize, field: &str) -> String {
    let mut piece = to_json(head);
    let closing = piece.pop();
    debug_assert_eq!(closing, Some('}'));
    piece + ",\"" + field + "\":["
}

/// The items of an array, as far as they are written.
#[derive(Default)]
pub(super) struct ArrayItems {
    is_begun: bool,
}

impl ArrayItems {
    /// The next items.
    pub(super) fn write<T: Serialize>(&mut self, items: impl IntoIterator<Item = T>) -> String {
        let mut piece = String::new();
        for item in items {
            if self.is_begun {
                piece.push(',');
            }
            self.is_begun = true;
            piece += &to_json(&item);
        }
        piece
    }
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data with string keys")
}
