//! Tables for people.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

use super::Style;
use crate::core::model::visible;

/// One column: its heading, and whether its numbers stand to the right.
#[derive(Debug, Clone, Copy)]
pub struct Column(pub &'static str, pub bool);

/// Writes rows below headings, without borders, no wider than the style; every cell is escaped.
#[must_use]
pub fn table(columns: &[Column], rows: &[Vec<String>], style: &Style) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(style.width).unwrap_or(u16::MAX));
    table.set_header(columns.iter().map(|column| Cell::new(column.0)));
    for row in rows {
        table.add_row(row.iter().map(|cell| Cell::new(visible(cell))));
    }
    for (i, column) in columns.iter().enumerate() {
        if let Some(c) = table.column_mut(i) {
            c.set_padding((0, 2));
            if column.1 {
                c.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    let mut out = String::new();
    for line in table.to_string().lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
