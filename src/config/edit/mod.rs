//! Edits of single settings in the files they stand in: comments, order, blanks and quotes elsewhere stay byte for byte.
//!
//! What a group, `global` or a named policy gives a host is overridden at the host. Nothing is written here. Every edit is
//! read back with the files as they would be, and what comes of them has to be exactly what was asked for: a mistake of
//! the editing ends as a refusal, never as a file that means something else.

mod faithful;
mod host;
mod lists;
mod retention;
mod schedules;
#[cfg(test)]
mod tests;
mod text;
mod tree;
mod work;

use std::collections::HashMap;

use camino::{Utf8Path, Utf8PathBuf};

use faithful::is_just;
use work::{Work, new_part};

use super::Report;
use super::load::load_instead;
use crate::core::desired::effective;
use crate::core::model::{GlobalSettings, HostName, HostSettings};

/// What an object is to be.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// The service has these settings.
    Global(Box<GlobalSettings>),
    /// The host has these settings; one that no file has is added to the first file.
    Host(HostName, Box<HostSettings>),
}

/// A file with another text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditedFile {
    /// Its path as messages show it.
    pub path: Utf8PathBuf,
    /// Where it is.
    pub real: Utf8PathBuf,
    /// Its text as it was read.
    pub before: String,
    /// Its text as it should be.
    pub after: String,
}

impl EditedFile {
    /// The difference, as `diff -u` writes it.
    #[must_use]
    pub fn unified(&self) -> String {
        let path = self.path.as_str();
        similar::TextDiff::from_lines(&self.before, &self.after)
            .unified_diff()
            .header(path, path)
            .to_string()
    }
}

/// A setting that stays as it is, because no edit can make the file say the other value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedField {
    /// `global`, or the host.
    pub object: String,
    /// The path of the setting.
    pub path: String,
    /// Why.
    pub why: String,
}

/// What came of an edit. Nothing is written yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "an edit does nothing until its files are written"]
pub struct Edited {
    /// The files that change.
    pub files: Vec<EditedFile>,
    /// The settings that stay as they are.
    pub refused: Vec<RefusedField>,
}

/// Why nothing is edited.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The configuration is not valid to begin with.
    #[error("the configuration is not valid")]
    Invalid(Box<Report>),
    /// The edited files would not be valid.
    #[error("the edited file would not be valid")]
    Broken(Box<Report>),
    /// The edited files would ask for something else than was asked for.
    #[error("the edited file would not say just what was asked for")]
    Unfaithful {
        /// What would be otherwise, a line each.
        settings: Vec<String>,
    },
}

/// What a host would have that is not in the file yet: what `global` gives to all.
///
/// # Errors
/// When the configuration is not valid.
pub fn settings_of_new_host(
    path: &Utf8Path,
    name: &HostName,
    address: &crate::core::model::Value<crate::core::model::Address>,
) -> Result<Option<HostSettings>, EditError> {
    let whole = load_instead(path, HashMap::new());
    if whole.state.is_none() {
        return Err(EditError::Invalid(Box::new(whole.report)));
    }
    let settings = HostSettings::at(address.clone());
    Ok(effective(&whole.parts, &new_part(name, &settings)))
}

/// What a host of the file has without what its own node says of one list: what given items are added to.
///
/// # Errors
/// When the configuration is not valid.
pub fn inherited_excludes(
    path: &Utf8Path,
    name: &HostName,
) -> Result<Vec<crate::core::model::ExcludePattern>, EditError> {
    let whole = load_instead(path, HashMap::new());
    if whole.state.is_none() {
        return Err(EditError::Invalid(Box::new(whole.report)));
    }
    let mut hosts = whole.parts.hosts.iter();
    let part = hosts.find(|part| part.name.value == *name).cloned();
    let part = part.map(|mut part| {
        part.layer.excludes.clear();
        part
    });
    let settings = part.and_then(|part| effective(&whole.parts, &part));
    Ok(settings
        .map(|settings| settings.excludes)
        .unwrap_or_default())
}

/// Edits the configuration at `path` so that each object of `wanted` is what it is to be.
///
/// # Errors
/// When the configuration is not valid, or the edited one would not be just what was asked for.
pub fn edit(path: &Utf8Path, wanted: &[Wanted]) -> Result<Edited, EditError> {
    let whole = load_instead(path, HashMap::new());
    let Some(state) = whole.state.clone() else {
        return Err(EditError::Invalid(Box::new(whole.report)));
    };
    let mut work = Work::new(&whole, state);
    for object in wanted {
        match object {
            Wanted::Global(settings) => work.global(settings)?,
            Wanted::Host(name, settings) => work.host(name, settings)?,
        }
    }
    let files = work.files();
    let (expected, refused) = (work.expected, work.refused);
    let overlay = files
        .iter()
        .map(|file| (file.real.clone(), file.after.clone()))
        .collect();
    let again = load_instead(path, overlay);
    match again.state {
        Some(state) => is_just(&expected, &state)?,
        None => return Err(EditError::Broken(Box::new(again.report))),
    }
    Ok(Edited { files, refused })
}
