//! A plan, a list or a report as people and programs read it.
//!
//! Decides nothing and reads nothing: values in, text out. Whatever comes from outside is escaped here.

mod chart;
mod exposition;
mod html;
mod json;
mod markdown;
mod style;
mod table;
mod text;
mod timeline;
mod words;

pub use chart::Marks;
pub use exposition::{EXPOSITION_TYPE, Exposition};
pub use html::{HTML_START, plan_html};
pub use json::{document, line, write_document};
pub use markdown::{BUDGET, MARKDOWN_START, plan_markdown};
pub use style::{Paint, Style};
pub use table::{Column, table};
pub use text::{
    change_lines, plan_pieces, plan_text, policy_words, retention_text, simulation_text,
    size as size_words, standing_words, summary_lines, value_of as setting_words, visible_refusals,
    why_it_goes, why_it_stays,
};
pub use timeline::{TIMELINE_STYLE, timeline, timeline_legend, timeline_marks};
pub use words::{damage_words, frees as freed_words};
