//! Documents with a list that may be longer than memory: printed as they come, and one document in the end.

use serde::Serialize;

use super::output::{print, print_document};

/// A document whose first fields, list and last fields are printed one after the other.
pub(super) struct Stream {
    is_first: bool,
}

impl Stream {
    /// Prints the fields of `head`, an object, and begins the list called `list`.
    pub(super) fn begin(head: &impl Serialize, list: &str) -> Self {
        let mut text = inner(head);
        if !text.is_empty() {
            text.push_str(", ");
        }
        print_document(&format!("{{{text}\"{list}\": ["));
        Self { is_first: true }
    }

    /// Prints one item.
    pub(super) fn item(&mut self, item: &impl Serialize) {
        let comma = if self.is_first { "" } else { "," };
        self.is_first = false;
        // What cannot be written would be a slip of ours: no item has a key that is no text.
        let text = serde_json::to_string(item).unwrap_or_else(|_| "null".to_owned());
        print(&format!("{comma}\n  {text}"));
    }

    /// Ends the list, prints the fields of `tail`, an object, and ends the document.
    pub(super) fn end(self, tail: &impl Serialize) {
        let text = inner(tail);
        let comma = if text.is_empty() { "" } else { ", " };
        print(&format!("\n]{comma}{text}}}\n"));
    }
}

/// An object without its braces.
fn inner(object: &impl Serialize) -> String {
    let text = serde_json::to_string(object).unwrap_or_default();
    let text = text.strip_prefix('{').unwrap_or_default();
    text.strip_suffix('}').unwrap_or_default().to_owned()
}
