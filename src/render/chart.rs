//! Pictures made of characters: numbers over time, and moments on a line.

/// What pictures are drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// Block elements, where the locale is UTF-8.
    Blocks,
    /// ASCII alone.
    Ascii,
}

/// How high a picture of numbers is, in lines.
const HEIGHT: usize = 8;
/// Eighths of a block, from nothing to all of it.
const EIGHTHS: [char; 9] = [
    ' ', '\u{2581}', '\u{2582}', '\u{2583}', '\u{2584}', '\u{2585}', '\u{2586}', '\u{2587}',
    '\u{2588}',
];

impl Marks {
    /// The mark for one moment in a column, for several, and for none.
    #[must_use]
    pub const fn moments(self) -> [char; 3] {
        match self {
            Self::Blocks => ['\u{2502}', '\u{2588}', '\u{b7}'],
            Self::Ascii => ['|', '#', '.'],
        }
    }

    /// A filled column of `part` of `whole` eighths in a line.
    fn fill(self, eighths: usize) -> char {
        match self {
            Self::Blocks => EIGHTHS[eighths.min(8)],
            Self::Ascii if eighths >= 4 => '#',
            Self::Ascii => ' ',
        }
    }
}

/// Draws `values` from left to right in lines of at most `width` characters, the highest first, with the largest value
/// and zero on the left. Several values that share a column show the largest.
#[must_use]
pub(super) fn columns(values: &[usize], width: usize, marks: Marks) -> Vec<String> {
    let most = values.iter().copied().max().unwrap_or(0);
    let label = most.to_string().len();
    let room = width.saturating_sub(label + 2).max(1);
    let used = room.min(values.len()).max(1);
    let heights: Vec<usize> = (0..used)
        .map(|column| {
            let from = column * values.len() / used;
            let to = ((column + 1) * values.len() / used).max(from + 1);
            let largest = values.iter().take(to).skip(from).max().copied();
            // Something is never drawn as nothing.
            match largest.unwrap_or(0) {
                0 => 0,
                n => (n * HEIGHT * 8).div_ceil(most.max(1)).max(4),
            }
        })
        .collect();
    let mut lines: Vec<String> = (0..HEIGHT)
        .map(|line| {
            let below = (HEIGHT - 1 - line) * 8;
            let bars: String = heights
                .iter()
                .map(|height| marks.fill(height.saturating_sub(below)))
                .collect();
            let label_of = if line == 0 {
                most.to_string()
            } else {
                String::new()
            };
            format!("{label_of:>label$} |{bars}").trim_end().to_owned()
        })
        .collect();
    lines.push(format!("{:>label$} +{}", 0, "-".repeat(used)));
    lines
}

/// Draws moments on a line of `width` columns; each of `at` lies between 0 and `length`.
#[must_use]
pub(super) fn line(
    at: impl Iterator<Item = i64>,
    length: i64,
    width: usize,
    marks: Marks,
) -> String {
    let [one, several, none] = marks.moments();
    let mut counts = vec![0_usize; width.max(1)];
    let last = counts.len() - 1;
    for at in at {
        let place = i128::from(at.clamp(0, length)) * counts.len() as i128;
        let column = usize::try_from(place / i128::from(length.max(1))).unwrap_or(last);
        if let Some(count) = counts.get_mut(column.min(last)) {
            *count += 1;
        }
    }
    let mark = |count: usize| match count {
        0 => none,
        1 => one,
        _ => several,
    };
    counts.into_iter().map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::{Marks, columns, line};

    #[test]
    fn the_largest_value_fills_its_column_and_one_of_many_is_still_seen() {
        let drawn = columns(&[0, 1, 100], 40, Marks::Ascii);
        assert_eq!(drawn.first().map(String::as_str), Some("100 |  #"));
        assert_eq!(drawn.get(7).map(String::as_str), Some("    | ##"));
        assert_eq!(drawn.last().map(String::as_str), Some("  0 +---"));
    }

    #[test]
    fn many_values_share_columns_and_never_pass_the_width() {
        let values: Vec<usize> = (0..1000).collect();
        for marks in [Marks::Ascii, Marks::Blocks] {
            let drawn = columns(&values, 60, marks);
            assert!(drawn.iter().all(|line| line.chars().count() <= 60));
        }
        assert_eq!(columns(&[], 60, Marks::Ascii).len(), 9);
        assert!(columns(&values, 1, Marks::Blocks).len() == 9);
    }

    #[test]
    fn moments_lie_where_they_are() {
        assert_eq!(
            line([0, 50, 51, 100].into_iter(), 100, 10, Marks::Ascii),
            "|....#...|"
        );
        assert_eq!(line(std::iter::empty(), 0, 3, Marks::Ascii), "...");
    }
}
