//! Completions and the manual page, generated from the command line's own description.

use clap::CommandFactory as _;

use super::args::Cli;
use super::output::print;
use crate::core::plan::Outcome;

pub(super) fn completions(shell: clap_complete::Shell) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pobsync", &mut script);
    print(&String::from_utf8_lossy(&script));
    Outcome::Done
}

pub(super) fn man() -> Outcome {
    let mut page = Vec::new();
    match clap_mangen::Man::new(Cli::command()).render(&mut page) {
        Ok(()) => {
            print(&String::from_utf8_lossy(&page));
            Outcome::Done
        }
        Err(_) => Outcome::Failed,
    }
}
