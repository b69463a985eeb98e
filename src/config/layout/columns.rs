//! Where the comments at the ends of lines go.
//!
//! Comments that stand in one column, anywhere in a file, were put there by hand: they move together, as far from the
//! longest of their lines as before. Every other one keeps its distance, up to three blanks.

use std::collections::HashMap;

use super::tree::{Comment, width};

/// The distance of a comment that is in no column.
const FARTHEST: usize = 3;

/// A line without its end.
#[derive(Debug, Default)]
pub(super) struct Line<'a> {
    pub(super) code: String,
    pub(super) comment: Option<Comment<'a>>,
}

impl Line<'_> {
    fn width(&self) -> usize {
        width(self.code.rsplit('\n').next().unwrap_or_default())
    }
}

/// The comments of one column.
#[derive(Default)]
struct Column {
    comments: usize,
    /// One of them stands farther from its line than it has to.
    is_wide: bool,
    /// Its longest line as it was.
    before: usize,
    /// Its longest line as it is now.
    after: usize,
}

/// Puts the lines together.
pub(super) fn join(lines: &[Line<'_>]) -> String {
    let mut columns: HashMap<usize, Column> = HashMap::new();
    for line in lines {
        if let Some(comment) = line.comment {
            let column = columns.entry(comment.column).or_default();
            column.comments += 1;
            column.is_wide |= line.code.is_empty() || comment.column > comment.behind + 1;
            column.before = column.before.max(comment.behind);
            column.after = column.after.max(line.width());
        }
    }
    let mut text = String::new();
    for line in lines {
        text.push_str(&line.code);
        if let Some(comment) = line.comment {
            let distance = match columns.get(&comment.column) {
                Some(column) if column.comments > 1 && column.is_wide => {
                    let farthest = comment.column.saturating_sub(column.before).max(1);
                    column.after + farthest - line.width()
                }
                _ => comment
                    .column
                    .saturating_sub(comment.behind)
                    .clamp(1, FARTHEST),
            };
            text.extend(std::iter::repeat_n(' ', distance));
            text.push_str(comment.text);
        }
        text.push('\n');
    }
    text
}
