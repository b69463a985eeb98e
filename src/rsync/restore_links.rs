//! Making hard links again of names that a restore has found at the target already.
//!
//! `--ignore-existing` takes whatever is there out of its group (generator.c, `handle_skipped_hlink`), so that a restore
//! that goes on with another one leaves files of their own. These passes join them afterwards, and write no content.

use super::names::Names;
use super::process::Ended;
use super::restore::{BY_NAME, Held, PASSING_OVER, Pass, Restore};

impl Restore {
    /// Looks for names that would become hard links and are files of their own; reads no file and does nothing.
    ///
    /// # Errors
    /// When rsync cannot be started or waited for.
    pub fn look_at_links(&self, held: Held, pass: Pass<'_>) -> std::io::Result<Ended> {
        self.only_look(&["--existing"], &self.paths, held, pass)
    }

    /// Reads these files here and there, tells of each whether it is the same, and does nothing.
    ///
    /// # Errors
    /// When rsync cannot be started or waited for.
    pub fn compare(&self, names: Names, held: Held, pass: Pass<'_>) -> std::io::Result<Ended> {
        let words = [&["--dry-run", "--checksum"][..], &BY_NAME, &PASSING_OVER].concat();
        self.tell(&words, names, held, pass)
    }

    /// Makes hard links of these names, which are the same here and there, and gives the directories among them their
    /// times again.
    ///
    /// # Errors
    /// When rsync cannot be started or waited for.
    pub fn join(&self, names: Names, held: Held, pass: Pass<'_>) -> std::io::Result<Ended> {
        // What somebody writes meanwhile is newer, and stays.
        let words = [&["--existing", "--update"][..], &BY_NAME].concat();
        self.tell(&words, names, held, pass)
    }
}
