//! Figures for Prometheus: the text exposition format, version 0.0.4.

use std::fmt::Write as _;

/// What the format is called in `Content-Type`.
pub const EXPOSITION_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Metrics, written one family after the other.
#[derive(Debug, Clone, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Writes one family of gauges: each sample with its labels, in the order given. A family without samples is left out.
    pub fn gauge<'a>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Vec<(&'static str, &'a str)>, f64)>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        let _ = writeln!(self.0, "# HELP {name} {}", escaped(help, false));
        let _ = writeln!(self.0, "# TYPE {name} gauge");
        for (labels, value) in samples {
            self.0.push_str(name);
            for (nth, (label, value)) in labels.iter().enumerate() {
                let before = if nth == 0 { '{' } else { ',' };
                let _ = write!(self.0, "{before}{label}=\"{}\"", escaped(value, true));
            }
            if !labels.is_empty() {
                self.0.push('}');
            }
            // Display never writes an exponent: what a whole number was stays one.
            let _ = writeln!(self.0, " {value}");
        }
    }

    /// Writes one figure without labels.
    pub fn one(&mut self, name: &str, help: &str, value: f64) {
        self.gauge(name, help, [(Vec::new(), value)]);
    }

    /// The whole text.
    #[must_use]
    pub fn text(self) -> String {
        self.0
    }
}

/// In values of labels quotes are escaped too.
fn escaped(text: &str, is_label: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if is_label => out.push_str("\\\""),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::Exposition;

    #[test]
    fn what_stands_in_a_label_never_ends_it() {
        let mut written = Exposition::default();
        written.gauge(
            "x_state",
            "One \\ line\nand another",
            [(vec![("host", "a\"b\\c\nd"), ("state", "well")], 1.0)],
        );
        written.gauge("empty", "Nothing", []);
        written.one("x_bytes", "Bytes", 12_345_678_901_234.0);
        assert_eq!(
            written.text(),
            "# HELP x_state One \\\\ line\\nand another\n# TYPE x_state gauge\n\
             x_state{host=\"a\\\"b\\\\c\\nd\",state=\"well\"} 1\n\
             # HELP x_bytes Bytes\n# TYPE x_bytes gauge\nx_bytes 12345678901234\n"
        );
    }
}
