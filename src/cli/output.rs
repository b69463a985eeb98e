//! Where results go: stdout for data, stderr for log and progress.

use std::io::{BufWriter, IsTerminal as _, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::args::{Color, Common, Format};
use crate::core::model::HostName;
use crate::core::plan::Plan;
use crate::ops::Error;
use crate::render::{
    BUDGET, Style, document, line, plan_html, plan_markdown, plan_pieces, write_document,
};

/// How this call of the program prints.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    pub(super) format: Format,
    pub(super) style: Style,
    pub(super) quiet: bool,
    /// Progress may be drawn: stderr is a terminal and nobody asked for silence.
    pub(super) progress: bool,
    /// Each document is one line: there may be many.
    pub(super) lines: bool,
}

/// Without a terminal there is no width to fit: a program that reads lines wants them whole.
const WIDTH: usize = 60_000;

impl Output {
    pub(super) fn new(common: &Common) -> Self {
        let stdout = std::io::stdout();
        let is_terminal = stdout.is_terminal();
        // https://no-color.org: present and not empty.
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let color = match common.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => is_terminal && !no_color,
        };
        let width = rustix::termios::tcgetwinsize(&stdout)
            .map(|size| usize::from(size.ws_col))
            .ok();
        Self {
            format: common.format,
            style: Style {
                color,
                width: width.filter(|w| *w >= 40).unwrap_or(WIDTH),
                verbose: common.verbose > 0,
            },
            quiet: common.quiet,
            progress: std::io::stderr().is_terminal() && !common.quiet,
            lines: false,
        }
    }

    /// Turns while there is work at a host; hidden where nobody sees it.
    pub(super) fn spinner(&self, host: &HostName) -> ProgressBar {
        if !self.progress {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new_spinner().with_message(host.to_string());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    pub(super) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// The same, where a program reads one document after the other.
    pub(super) fn by_line(self) -> Self {
        Self {
            lines: true,
            ..self
        }
    }

    /// Prints a value for programs.
    pub(super) fn json<T: Serialize>(&self, value: &T) {
        print_document(&if self.lines {
            line(value)
        } else {
            document(value)
        });
    }

    /// Prints data: `text` for people, `value` for programs.
    pub(super) fn data<T: Serialize>(&self, value: &T, text: impl FnOnce(&Style) -> String) {
        match self.format {
            Format::Text | Format::Markdown | Format::Html => print(&text(&self.style)),
            Format::Json => self.json(value),
        }
    }

    /// Prints a plan in the form asked for.
    pub(super) fn plan(&self, plan: &Plan) {
        match self.format {
            Format::Text => print_with(|out| {
                let mut written = Ok(());
                plan_pieces(plan, &self.style, &mut |piece| {
                    if written.is_ok() {
                        written = out.write_all(piece.as_bytes());
                    }
                });
                written
            }),
            Format::Json if self.lines => self.json(plan),
            Format::Json => {
                DOCUMENTS.fetch_add(1, Ordering::Relaxed);
                print_with(|out| write_document(out, plan));
            }
            Format::Markdown => print(&plan_markdown(plan, BUDGET)),
            Format::Html => print(&plan_html(plan)),
        }
    }

    /// Prints text that belongs to people alone, unless programs read.
    pub(super) fn text(&self, text: &str) {
        if !self.is_json() {
            print(text);
        }
    }

    /// Says on stderr what happened, unless silence was asked for.
    pub(super) fn say(&self, text: &str) {
        if !self.quiet {
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Says on stderr what went wrong, however quiet it is to be.
    pub(super) fn warn(text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// What stdout refused first, until somebody tells of it.
static REFUSED: Mutex<Option<std::io::Error>> = Mutex::new(None);
/// Bytes that are written at a time.
const PIECE: usize = 64 << 10;
/// How many documents were printed for programs, which read one.
static DOCUMENTS: AtomicUsize = AtomicUsize::new(0);

/// Writes to stdout. A reader that has gone away, such as `head`, is no error; what else goes wrong is kept for
/// [`heard`].
pub(super) fn print(text: &str) {
    print_with(|out| out.write_all(text.as_bytes()));
}

/// The same for what is written piece by piece.
fn print_with(write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) {
    // Larger pieces than a line at a time, and each of them at once.
    let mut out = BufWriter::with_capacity(PIECE, std::io::stdout().lock());
    let written = write(&mut out).and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            let mut refused = REFUSED.lock().unwrap_or_else(PoisonError::into_inner);
            refused.get_or_insert(error);
        }
        _ => {}
    }
}

/// Prints a document for programs.
pub(super) fn print_document(text: &str) {
    DOCUMENTS.fetch_add(1, Ordering::Relaxed);
    print(text);
}

/// Says that programs were told something.
pub(super) fn has_document() -> bool {
    DOCUMENTS.load(Ordering::Relaxed) > 0
}

/// Fails if something that was printed did not get out, on a full disk, say: what nobody could read is not acted upon,
/// and a command that lost its result has not done its work.
///
/// # Errors
/// What stdout refused, told once.
pub(super) fn heard() -> Result<(), Error> {
    let mut refused = REFUSED.lock().unwrap_or_else(PoisonError::into_inner);
    refused
        .take()
        .map_or(Ok(()), |source| Err(Error::Stdout { source }))
}

/// Asks on a terminal for the word that says yes. `None` where nobody can be asked.
pub(super) fn ask(question: &str, yes: &str) -> Option<bool> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return None;
    }
    let mut err = std::io::stderr().lock();
    let _ = write!(err, "{question} Type {yes} to go on: ").and_then(|()| err.flush());
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line).unwrap_or(0);
    Some(read > 0 && line.trim() == yes)
}
