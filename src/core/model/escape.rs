//! Making untrusted text safe to show on a terminal.

/// Escapes everything in `text` that could move a cursor, hide text or reorder it.
///
/// C0 and C1 controls, DEL, line and paragraph separators, and the bidirectional formatting characters become
/// `\u{…}` (or `\n`, `\r`, `\t`); the backslash stays, so that ordinary names read as they are.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() || is_invisible_format(c) => {
                out.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}

/// Bidirectional controls (Unicode TR 9) and the other format characters that show nothing.
fn is_invisible_format(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn ordinary_names_stay_as_they_are() {
        assert_eq!(visible("web-01 é 漢 \\x"), "web-01 é 漢 \\x");
    }

    #[test]
    fn terminal_and_bidi_controls_become_escapes() {
        assert_eq!(
            visible("a\u{1b}[31m\n\u{202e}b\u{9b}"),
            "a\\u{1b}[31m\\n\\u{202e}b\\u{9b}"
        );
    }
}
