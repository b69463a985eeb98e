//! Settings changed in the file instead of in SQL: edited in place, looked at, and written as a whole or not at all.

use camino::Utf8Path;

use super::Error;
use super::configure::{GlobalEdit, HostEdit, ScheduleEdit, change, check_root_path, once_each};
use super::load::{desired_host, load};
use super::replace::{Replacement, replace_all};
use crate::config::{self, EditError, Edited, EditedFile, Wanted};
use crate::core::model::{HostName, HostSettings, Schedule, SourcePath, Value};

/// Sets the settings of the service in the file at `path`.
///
/// # Errors
/// When the file is not valid, cannot be made to say it, or cannot be written.
pub fn edit_global(path: &Utf8Path, edit: &GlobalEdit) -> Result<Edited, Error> {
    let mut settings = load(path)?.desired.global;
    if let Some(root) = &edit.backup_root {
        check_root_path(root)?;
        settings.backup_root = Some(root.clone());
    }
    settings.max_concurrent = edit.max_concurrent.unwrap_or(settings.max_concurrent);
    settings.guard.max_delete = edit.max_delete.unwrap_or(settings.guard.max_delete);
    whole(path, &[Wanted::Global(Box::new(settings))])
}

/// Adds or changes one host in the file at `path`.
///
/// # Errors
/// As [`edit_global`], and when a new host has no address.
pub fn edit_host(path: &Utf8Path, name: &HostName, edit: &HostEdit) -> Result<Edited, Error> {
    let desired = load(path)?.desired;
    let there = desired.hosts.iter().find(|host| host.name == *name);
    let (mut settings, inherited) = match (there, &edit.address) {
        (Some(host), _) => (
            host.settings.clone(),
            config::inherited_excludes(path, name)?,
        ),
        (None, Some(address)) => {
            let address = Value::Literal(address.clone());
            let settings = config::settings_of_new_host(path, name, &address)?;
            let settings = settings.unwrap_or_else(|| HostSettings::at(address));
            let inherited = settings.excludes.clone();
            (settings, inherited)
        }
        (None, None) => return Err(Error::NeedsAddress { host: name.clone() }),
    };
    change(&mut settings, edit);
    if !edit.excludes.is_empty() {
        // Those given stand in for the host's own; what its groups leave out stays.
        let all = inherited.into_iter().chain(edit.excludes.iter().cloned());
        settings.excludes = once_each(all);
    }
    if settings.sources.is_empty() {
        settings.sources.extend("/".parse::<SourcePath>());
    }
    whole(path, &[Wanted::Host(name.clone(), Box::new(settings))])
}

/// Sets or takes away the schedules of a host in the file at `path`.
///
/// # Errors
/// As [`edit_global`], and when the file has no such host.
pub fn edit_schedule(
    path: &Utf8Path,
    name: &HostName,
    edit: &ScheduleEdit,
) -> Result<Edited, Error> {
    let desired = load(path)?.desired;
    let mut settings = desired_host(&desired, name)?.settings.clone();
    let schedules = edit.iter().map(|(cron, jitter, prune)| Schedule {
        name: None,
        cron: cron.clone(),
        timezone: settings.timezone,
        jitter: *jitter,
        prune: *prune,
    });
    settings.schedules = schedules.collect();
    whole(path, &[Wanted::Host(name.clone(), Box::new(settings))])
}

/// One command, one edit: where a part of it cannot be, nothing is written.
fn whole(path: &Utf8Path, wanted: &[Wanted]) -> Result<Edited, Error> {
    let edited = config::edit(path, wanted)?;
    if !edited.refused.is_empty() {
        let settings = edited
            .refused
            .iter()
            .map(|field| format!("{} of {}: {}", field.path, field.object, field.why));
        return Err(Error::NotEditable {
            settings: settings.collect(),
        });
    }
    write(path, &edited.files)?;
    Ok(edited)
}

/// Writes edited files: all of them, or none.
///
/// # Errors
/// When one is a link, lies outside the folder of the configuration, was changed meanwhile, or cannot be written.
pub(super) fn write(path: &Utf8Path, files: &[EditedFile]) -> Result<(), Error> {
    let refused = |what: String| {
        Err(Error::NotEditable {
            settings: vec![what],
        })
    };
    let failed = |source| Error::File {
        doing: "edit",
        path: path.to_string(),
        source,
    };
    if path.symlink_metadata().map_err(failed)?.is_symlink() {
        return refused(format!("{path} is a symbolic link: name the file itself"));
    }
    let real = path.canonicalize_utf8().map_err(failed)?;
    let root = real.parent().unwrap_or(Utf8Path::new("/"));
    if let Some(file) = files.iter().find(|file| !file.real.starts_with(root)) {
        let path = &file.path;
        return refused(format!(
            "{path} lies outside the folder of the configuration"
        ));
    }
    let files: Vec<Replacement<'_>> = files
        .iter()
        .map(|file| Replacement {
            path: &file.real,
            before: &file.before,
            after: &file.after,
        })
        .collect();
    replace_all(&files)
}

impl From<EditError> for Error {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Invalid(report) => Self::Invalid(report),
            EditError::Broken(report) => {
                let findings = report.findings().iter();
                Self::NotEditable {
                    settings: findings.map(|finding| finding.message.clone()).collect(),
                }
            }
            EditError::Unfaithful { settings } => Self::NotEditable { settings },
        }
    }
}
