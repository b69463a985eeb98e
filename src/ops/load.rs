//! The configuration, read and checked.

use camino::Utf8Path;

use super::Error;
use super::context::nearest;
use crate::config;
use crate::core::desired::{DesiredHost, DesiredState};
use crate::core::model::HostName;
use crate::core::plan::{Source, SourceFile};

/// A valid configuration.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// What it asks for.
    pub desired: DesiredState,
    /// The files it was read from.
    pub source: Source,
    /// What is valid and odd, a line each.
    pub warnings: Vec<String>,
}

/// Reads and checks the configuration at `path`.
///
/// # Errors
/// With the report of every mistake.
pub fn load(path: &Utf8Path) -> Result<Configuration, Error> {
    let loaded = config::load(path);
    let files = loaded
        .files
        .iter()
        .map(|file| SourceFile {
            path: file.path.to_string(),
            sha256: file.sha256.clone(),
        })
        .collect();
    let warnings = loaded.report.warnings();
    match loaded.state {
        Some(desired) => Ok(Configuration {
            desired,
            source: Source {
                files,
                revision: None,
                dirty: false,
            },
            warnings,
        }),
        None => Err(Error::Invalid(Box::new(loaded.report))),
    }
}

/// The host called `name` of the configuration.
///
/// # Errors
/// When there is none; the message suggests the nearest name.
pub fn desired_host<'a>(
    desired: &'a DesiredState,
    name: &HostName,
) -> Result<&'a DesiredHost, Error> {
    desired
        .hosts
        .iter()
        .find(|host| host.name == *name)
        .ok_or_else(|| Error::UnknownHost {
            name: name.clone(),
            nearest: nearest(name, desired.hosts.iter().map(|host| &host.name)),
        })
}
