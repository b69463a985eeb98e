//! Findings as people and programs read them.

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource};
use serde::Serialize;

use super::SourceFile;
use crate::core::desired::{At, Finding, Severity};
use crate::core::model::visible;

/// More than anybody reads; the rest is counted.
const PRINTED: usize = 50;

/// Where the lines of a text begin.
#[derive(Debug, Clone)]
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        Self(
            std::iter::once(0)
                .chain(text.match_indices('\n').map(|(at, _)| at + 1))
                .collect(),
        )
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset).max(1)
    }

    fn start(&self, line: usize) -> usize {
        self.0.get(line.saturating_sub(1)).copied().unwrap_or(0)
    }
}

/// Everything that is wrong or odd with a configuration.
#[derive(Debug, Clone)]
pub struct Report {
    findings: Vec<Finding>,
    files: Vec<SourceFile>,
    lines: Vec<Lines>,
}

impl Report {
    pub(super) fn new(findings: Vec<Finding>, files: Vec<SourceFile>, lines: Vec<Lines>) -> Self {
        let mut findings = findings;
        findings
            .sort_by_key(|finding| (finding.severity, finding.labels.first().map(|(at, _)| *at)));
        Self {
            findings,
            files,
            lines,
        }
    }

    /// Says that the configuration cannot be used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.severity == Severity::Error)
    }

    /// The findings, errors first, by place.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What is odd and valid, a line each.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let odd = self
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Warning);
        odd.map(|finding| {
            format!(
                "{}: warning: {}",
                self.place(finding),
                visible(&finding.message)
            )
        })
        .collect()
    }

    fn place(&self, finding: &Finding) -> String {
        let Some((at, _)) = finding.labels.first() else {
            return String::new();
        };
        let path = self
            .files
            .get(at.file)
            .map_or("?", |file| file.path.as_str());
        format!("{}:{}", visible(path), self.line(*at))
    }

    fn line(&self, at: At) -> usize {
        self.lines
            .get(at.file)
            .map_or(1, |lines| lines.line(at.offset))
    }

    /// The report as text, with the lines it is about.
    #[must_use]
    pub fn text(&self, color: bool, width: usize) -> String {
        let theme = if color {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::none()
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(width)
            .with_links(false);
        let mut out = String::new();
        for finding in self.findings.iter().take(PRINTED) {
            self.one(finding, &handler, &mut out);
        }
        let errors = self
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .count();
        let more = self.findings.len().saturating_sub(PRINTED);
        if more > 0 {
            out.push_str(&format!("… and {more} more.\n"));
        }
        let mistakes = if errors == 1 {
            "1 mistake".to_owned()
        } else {
            format!("{errors} mistakes")
        };
        out.push_str(&format!("{mistakes}; nothing was changed.\n"));
        out
    }

    fn one(&self, finding: &Finding, handler: &GraphicalReportHandler, out: &mut String) {
        let mut diagnostic = MietteDiagnostic::new(format!(
            "{}: {}",
            self.place(finding),
            visible(&finding.message)
        ))
        .with_code(finding.code)
        .with_severity(match finding.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        });
        if !finding.help.is_empty() {
            diagnostic = diagnostic.with_help(visible(&finding.help));
        }
        let Some((main, _)) = finding.labels.first() else {
            return;
        };
        let elsewhere = finding.labels.iter().filter(|(at, _)| at.file != main.file);
        let mut notes: Vec<String> = elsewhere
            .map(|(at, label)| {
                let path = self
                    .files
                    .get(at.file)
                    .map_or("?", |file| file.path.as_str());
                format!("{} at {}:{}", visible(label), visible(path), self.line(*at))
            })
            .collect();
        let here: Vec<&(At, String)> = finding
            .labels
            .iter()
            .filter(|(at, _)| at.file == main.file)
            .collect();
        let text = self
            .files
            .get(main.file)
            .map_or("", |file| file.text.as_str());
        let shown = Shown::of(text);
        if !text.is_empty() {
            let labels = here.iter().map(|(at, label)| {
                let (start, end) = (shown.offset(at.offset), shown.offset(at.offset + at.len));
                let label = (!label.is_empty()).then(|| visible(label));
                LabeledSpan::new(label, start, end.saturating_sub(start))
            });
            diagnostic = diagnostic.with_labels(labels);
        }
        if let Some(help) = diagnostic.help.as_mut().filter(|_| !notes.is_empty()) {
            notes.insert(0, std::mem::take(help));
            *help = notes.join("; ");
        } else if !notes.is_empty() {
            diagnostic.help = Some(notes.join("; "));
        }
        let path = self
            .files
            .get(main.file)
            .map_or("?", |file| file.path.as_str());
        let report = miette::Report::new(diagnostic)
            .with_source_code(NamedSource::new(visible(path), shown.text));
        if handler.render_report(out, report.as_ref()).is_err() {
            out.push_str(&format!(
                "{}: {}\n",
                self.place(finding),
                visible(&finding.message)
            ));
        }
        out.push('\n');
    }

    /// The report for programs: the same words, and byte offsets.
    #[must_use]
    pub fn json(&self) -> String {
        #[derive(Serialize)]
        struct Document<'a> {
            outcome: &'static str,
            findings: Vec<Entry<'a>>,
        }
        #[derive(Serialize)]
        struct Entry<'a> {
            severity: &'static str,
            code: &'a str,
            message: &'a str,
            help: &'a str,
            #[serde(flatten)]
            place: Place<'a>,
            labels: Vec<LabelEntry<'a>>,
        }
        #[derive(Serialize)]
        struct LabelEntry<'a> {
            label: &'a str,
            #[serde(flatten)]
            place: Place<'a>,
        }
        #[derive(Serialize)]
        struct Place<'a> {
            file: &'a str,
            line: usize,
            column: usize,
            offset: usize,
            length: usize,
        }
        let place = |at: At| {
            let file = self.files.get(at.file);
            let line = self.line(at);
            let start = self.lines.get(at.file).map_or(0, |lines| lines.start(line));
            let column = file
                .and_then(|f| f.text.get(start..at.offset))
                .map_or(1, |before| before.chars().count() + 1);
            Place {
                file: file.map_or("", |f| f.path.as_str()),
                line,
                column,
                offset: at.offset,
                length: at.len,
            }
        };
        let nowhere = At {
            file: 0,
            offset: 0,
            len: 0,
        };
        let entries = self.findings.iter().map(|finding| Entry {
            severity: match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            code: finding.code,
            message: &finding.message,
            help: &finding.help,
            place: place(finding.labels.first().map_or(nowhere, |(at, _)| *at)),
            labels: finding
                .labels
                .iter()
                .map(|(at, label)| LabelEntry {
                    label,
                    place: place(*at),
                })
                .collect(),
        });
        let document = Document {
            outcome: "invalid",
            findings: entries.collect(),
        };
        serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
    }
}

/// A text whose control characters show nothing but themselves, and where its bytes went.
struct Shown {
    text: String,
    /// Byte of the text, byte of what is shown, wherever the distance changes.
    moved: Vec<(usize, usize)>,
}

impl Shown {
    fn of(text: &str) -> Self {
        let is_harmless = |c: char| c == '\n' || c == '\t' || !visible_changes(c);
        if text.chars().all(is_harmless) {
            return Self {
                text: text.to_owned(),
                moved: Vec::new(),
            };
        }
        let mut shown = String::with_capacity(text.len());
        let mut moved = Vec::new();
        for (at, c) in text.char_indices() {
            if is_harmless(c) {
                shown.push(c);
            } else {
                shown.push('\u{fffd}');
                moved.push((at + c.len_utf8(), shown.len()));
            }
        }
        Self { text: shown, moved }
    }

    fn offset(&self, at: usize) -> usize {
        let i = self.moved.partition_point(|(from, _)| *from <= at);
        let there = match i.checked_sub(1).and_then(|i| self.moved.get(i)) {
            Some((from, to)) => to + (at - from),
            None => at,
        };
        let mut there = there.min(self.text.len());
        while !self.text.is_char_boundary(there) {
            there -= 1;
        }
        there
    }
}

fn visible_changes(c: char) -> bool {
    let mut buffer = [0; 4];
    let text: &str = c.encode_utf8(&mut buffer);
    visible(text) != text
}
