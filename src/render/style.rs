//! Colour, width and detail of text.

/// How text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Colours are used, always beside a sign that says the same.
    pub color: bool,
    /// What a line may hold, in characters.
    pub width: usize,
    /// Hosts and snapshots that nothing happens to are listed too.
    pub verbose: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            color: false,
            width: 100,
            verbose: false,
        }
    }
}

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is what it names")]
pub enum Paint {
    Created,
    Changed,
    Deleted,
    Retired,
    Rescued,
    Refused,
    Heading,
    Faint,
}

impl Style {
    /// Wraps `text` in the colour of `paint`, if colours are used.
    #[must_use]
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        if !self.color {
            return text.to_owned();
        }
        // ECMA-48 SGR: the eight basic colours, which every terminal theme makes readable.
        let code = match paint {
            Paint::Created => "32",
            Paint::Changed => "33",
            Paint::Deleted => "31",
            Paint::Retired => "35",
            Paint::Rescued => "36",
            Paint::Refused => "1;31",
            Paint::Heading => "1",
            Paint::Faint => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}
