//! Findings as people and programs read them.

use std::collections::BTreeMap;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource};
use serde::Serialize;

use super::SourceFile;
use super::lines::{Lines, Shown};
use crate::core::desired::{At, Finding, Severity};
use crate::core::model::visible;

/// More than anybody reads; the rest is counted.
const PRINTED: usize = 50;
/// Programs get more of them.
const WRITTEN: usize = 1_000;
/// Bytes of a line that is still shown; a text without line ends would be shown whole with each finding.
const LONGEST: usize = 1_000;

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
                clipped(&finding.message)
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
            .get(at.file())
            .map_or("?", |file| file.path.as_str());
        format!("{}:{}", visible(path), self.line(*at))
    }

    fn line(&self, at: At) -> usize {
        self.lines
            .get(at.file())
            .map_or(1, |lines| lines.line(at.offset()))
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
        let mut shown = BTreeMap::new();
        for finding in self.findings.iter().take(PRINTED) {
            let Some((main, _)) = finding.labels.first() else {
                continue;
            };
            let shown = shown
                .entry(main.file())
                .or_insert_with(|| Shown::of(self.source(main.file())));
            self.one(finding, shown, &handler, &mut out);
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

    fn column(&self, at: At) -> usize {
        let lines = self.lines.get(at.file());
        lines.map_or(1, |lines| lines.column(self.source(at.file()), at.offset()))
    }

    fn source(&self, file: usize) -> &str {
        self.files.get(file).map_or("", |file| file.text.as_str())
    }

    /// Says that the lines around `at` are short enough to be shown.
    fn is_showable(&self, at: At) -> bool {
        self.lines
            .get(at.file())
            .is_some_and(|lines| lines.longest_around(at) <= LONGEST)
    }

    fn one(
        &self,
        finding: &Finding,
        shown: &Shown,
        handler: &GraphicalReportHandler,
        out: &mut String,
    ) {
        let Some((main, _)) = finding.labels.first() else {
            return;
        };
        let here: Vec<&(At, String)> = finding
            .labels
            .iter()
            .filter(|(at, _)| at.file() == main.file())
            .collect();
        let is_shown = !shown.text.is_empty() && here.iter().all(|(at, _)| self.is_showable(*at));
        let mut place = self.place(finding);
        if !is_shown && !shown.text.is_empty() {
            place.push_str(&format!(":{}", self.column(*main)));
        }
        let mut diagnostic =
            MietteDiagnostic::new(format!("{place}: {}", clipped(&finding.message)))
                .with_code(finding.code)
                .with_severity(match finding.severity {
                    Severity::Error => miette::Severity::Error,
                    Severity::Warning => miette::Severity::Warning,
                });
        if !finding.help.is_empty() {
            diagnostic = diagnostic.with_help(clipped(&finding.help));
        }
        let elsewhere = finding
            .labels
            .iter()
            .filter(|(at, _)| at.file() != main.file());
        let mut notes: Vec<String> = elsewhere
            .map(|(at, label)| {
                let path = self
                    .files
                    .get(at.file())
                    .map_or("?", |file| file.path.as_str());
                format!("{} at {}:{}", clipped(label), visible(path), self.line(*at))
            })
            .collect();
        if is_shown {
            let labels = here.iter().map(|(at, label)| {
                let (start, end) = (shown.offset(at.offset()), shown.offset(at.end()));
                let label = (!label.is_empty()).then(|| clipped(label));
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
            .get(main.file())
            .map_or("?", |file| file.path.as_str());
        let report = miette::Report::new(diagnostic)
            .with_source_code(NamedSource::new(visible(path), shown.text.clone()));
        if handler.render_report(out, report.as_ref()).is_err() {
            out.push_str(&format!("{place}: {}\n", clipped(&finding.message)));
        }
        out.push('\n');
    }

    /// The report as text for programs.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(&self.document()).unwrap_or_default() + "\n"
    }

    /// The report for programs: the same words, and byte offsets.
    #[must_use]
    pub fn document(&self) -> impl Serialize + '_ {
        #[derive(Serialize)]
        struct Document<'a> {
            outcome: &'static str,
            findings: Vec<Entry<'a>>,
            /// Findings that are not written.
            #[serde(skip_serializing_if = "Option::is_none")]
            more: Option<usize>,
        }
        #[derive(Serialize)]
        struct Entry<'a> {
            severity: &'static str,
            code: &'a str,
            message: String,
            help: String,
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
            let file = self.files.get(at.file());
            let line = self.line(at);
            Place {
                file: file.map_or("", |f| f.path.as_str()),
                line,
                column: self.column(at),
                offset: at.offset(),
                length: at.bytes(),
            }
        };
        let nowhere = At::start_of(0);
        let entries = self.findings.iter().take(WRITTEN).map(|finding| Entry {
            severity: match finding.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            code: finding.code,
            message: clipped(&finding.message),
            help: clipped(&finding.help),
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
        Document {
            outcome: "invalid",
            findings: entries.collect(),
            more: self.findings.len().checked_sub(WRITTEN).filter(|n| *n > 0),
        }
    }
}

/// A text from the configuration, safe to show, and its beginning only if it is long.
fn clipped(text: &str) -> String {
    const LONGEST: usize = 500;
    let mut shown = visible(text);
    if let Some((end, _)) = shown.char_indices().nth(LONGEST) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}
