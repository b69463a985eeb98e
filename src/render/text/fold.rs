//! Long lines on a narrow terminal: broken at blanks, the rest indented below the first word.

/// How much further in the rest of a broken line stands.
const HANGING: usize = 4;

/// Breaks every line of `text` that is longer than `width` characters. Colour codes take no room; a word longer than a
/// line stays whole.
pub(super) fn fold(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line
            .strip_suffix('\n')
            .map_or((line, ""), |line| (line, "\n"));
        // No line is seen longer than its bytes.
        if line.len() <= width || seen(line) <= width {
            out.push_str(line);
        } else {
            break_line(&mut out, line, width);
        }
        out.push_str(end);
    }
    out
}

fn break_line(out: &mut String, line: &str, width: usize) {
    let start = line.len() - line.trim_start_matches(' ').len();
    let indent = start + HANGING;
    let (blanks, words) = line.split_at(start);
    out.push_str(blanks);
    let mut used = start;
    for (i, word) in words.split(' ').enumerate() {
        let length = seen(word);
        if i > 0 && used + 1 + length > width && length > 0 {
            // The blanks before a break would trail.
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            used = indent;
        } else if i > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
}

/// How many characters of `text` are seen: colour codes are not.
pub(super) fn seen(text: &str) -> usize {
    let mut count = 0;
    let mut is_code = false;
    for c in text.chars() {
        match c {
            '\u{1b}' => is_code = true,
            'm' if is_code => is_code = false,
            _ if is_code => {}
            _ => count += 1,
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::{fold, seen};

    #[test]
    fn short_lines_stay_and_long_ones_hang() {
        assert_eq!(fold("a b\n\n  c\n", 10), "a b\n\n  c\n");
        assert_eq!(
            fold("  one two three four\nx", 12),
            "  one two\n      three\n      four\nx"
        );
    }

    #[test]
    fn colours_take_no_room_and_a_long_word_stays_whole() {
        assert_eq!(seen("\u{1b}[1;31m! a\u{1b}[0m"), 3);
        assert_eq!(
            fold("\u{1b}[31mab cd\u{1b}[0m", 5),
            "\u{1b}[31mab cd\u{1b}[0m"
        );
        assert_eq!(fold("a bbbbbbbbbb c", 6), "a\n    bbbbbbbbbb\n    c");
    }
}
