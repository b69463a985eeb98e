//! Completions and the manual page, generated from the command line's own description.

use clap::CommandFactory as _;

use super::Ended;
use super::args::Cli;
use super::output::print;
use crate::core::plan::Outcome;

pub(super) fn completions(shell: clap_complete::Shell) -> Ended {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pobsync", &mut script);
    print(&String::from_utf8_lossy(&script));
    text(Outcome::Done)
}

pub(super) fn man() -> Ended {
    let mut page = Vec::new();
    match clap_mangen::Man::new(Cli::command()).render(&mut page) {
        Ok(()) => {
            print(&String::from_utf8_lossy(&page));
            text(Outcome::Done)
        }
        Err(_) => text(Outcome::Failed),
    }
}

fn text(outcome: Outcome) -> Ended {
    Ended {
        outcome,
        detailed: false,
        is_text: true,
        code: None,
    }
}
