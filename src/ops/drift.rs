//! What changed in SQL by another way than an apply, and writing it into the file.

use std::collections::BTreeSet;

use camino::Utf8Path;

use super::edit::write;
use super::{Context, Error};
use crate::config::{self, EditedFile, RefusedField, Wanted};
use crate::core::desired::DesiredState;
use crate::core::diff::{DriftReport, Object, ObjectDrift, Standing, drift, set_path};
use crate::core::model::{HostName, ManagedBy, SqlState};

/// What came of an adoption.
#[derive(Debug, Default)]
pub struct Adoption {
    /// The files that were written.
    pub files: Vec<EditedFile>,
    /// Fields that were written into them: object and path.
    pub adopted: Vec<(String, String)>,
    /// Fields that stay as they are, and why.
    pub left: Vec<RefusedField>,
}

/// Compares SQL with what was last applied, and with `desired` where there is a file; `hosts` narrows it.
///
/// # Errors
/// When the database cannot be read, or a host is unknown.
pub fn find_drift(
    context: &Context,
    desired: Option<&DesiredState>,
    hosts: &[HostName],
) -> Result<DriftReport, Error> {
    let facts = context.facts_about(|_| false)?;
    let mut report = drift(&facts.state, desired);
    if !hosts.is_empty() {
        facts.hosts(hosts)?;
        let named: BTreeSet<&str> = hosts.iter().map(HostName::as_str).collect();
        report
            .drift
            .retain(|object| object.object == Object::Host && named.contains(object.name.as_str()));
        report.unmanaged.retain(|name| hosts.contains(name));
        report.retired.retain(|name| hosts.contains(name));
    }
    Ok(report)
}

/// Writes what drifted into the file at `path`, where the file still says what was last applied. Hosts that no file
/// manages are added if `hosts` names them.
///
/// # Errors
/// When the file is not valid, or cannot be written; then it is as it was.
pub fn adopt(
    context: &Context,
    path: &Utf8Path,
    desired: &DesiredState,
    report: &DriftReport,
    hosts: &[HostName],
) -> Result<Adoption, Error> {
    let state = context.store.load_state()?;
    let mut adoption = Adoption::default();
    let mut wanted: Vec<Wanted> = Vec::new();
    for object in &report.drift {
        wanted.extend(wanted_of(object, desired, &mut adoption)?);
    }
    for name in report.unmanaged.iter().filter(|name| hosts.contains(name)) {
        wanted.extend(unmanaged(&state, name, &mut adoption));
    }
    for name in &report.retired {
        let why = "it has left in SQL: an apply makes a new host of that name, with none of the old one's snapshots; take it out of the file if it should stay away";
        adoption.left.push(left(name.as_str(), "", why));
    }
    let edited = config::edit(path, &wanted)?;
    let is_refused = |(object, path): &(String, String)| {
        let mut refused = edited.refused.iter();
        refused.any(|field| field.object == *object && field.path == *path)
    };
    adoption.adopted.retain(|field| !is_refused(field));
    adoption.left.extend(edited.refused.iter().cloned());
    write(path, &edited.files)?;
    adoption.files = edited.files;
    Ok(adoption)
}

/// What the file says of an object, with the fields that can be adopted as SQL has them.
fn wanted_of(
    object: &ObjectDrift,
    desired: &DesiredState,
    adoption: &mut Adoption,
) -> Result<Option<Wanted>, Error> {
    let host = desired
        .hosts
        .iter()
        .find(|host| host.name.as_str() == object.name);
    let mut value = match (object.object, host) {
        (Object::Global, _) => serde_json::to_value(&desired.global),
        (Object::Host, Some(host)) => serde_json::to_value(&host.settings),
        (Object::Host, None) => {
            let why = "it has left the file: the next apply retires it";
            adoption.left.push(left(&object.name, "", why));
            return Ok(None);
        }
    }
    .map_err(Error::Json)?;
    let mut taken: Vec<&str> = Vec::new();
    for field in &object.fields {
        match field.standing {
            Standing::Reverted => {
                set_path(&mut value, &field.path, field.actual.clone());
                taken.push(&field.path);
            }
            Standing::Conflict => {
                let why = "the file was changed there since the last apply, too: settle it by hand";
                adoption.left.push(left(&object.name, &field.path, why));
            }
            Standing::Agreed | Standing::NotInFile | Standing::NoFile => {}
        }
    }
    if value
        .get("retention")
        .and_then(serde_json::Value::as_object)
        .is_some_and(serde_json::Map::is_empty)
    {
        set_path(&mut value, "retention", serde_json::Value::Null);
    }
    let made = match (object.object, host) {
        (Object::Host, Some(host)) => serde_json::from_value(value)
            .map(|settings| Wanted::Host(host.name.clone(), Box::new(settings))),
        _ => serde_json::from_value(value).map(|settings| Wanted::Global(Box::new(settings))),
    };
    if taken.is_empty() {
        return Ok(None);
    }
    match made {
        Ok(wanted) => {
            let fields = taken.into_iter();
            adoption
                .adopted
                .extend(fields.map(|path| (object.name.clone(), path.to_owned())));
            Ok(Some(wanted))
        }
        Err(_) => {
            // Half of a policy is none.
            let why =
                "with what the file changed since, it would be no valid setting: settle it by hand";
            let fields = taken.into_iter();
            adoption
                .left
                .extend(fields.map(|path| left(&object.name, path, why)));
            Ok(None)
        }
    }
}

fn unmanaged(state: &SqlState, name: &HostName, adoption: &mut Adoption) -> Option<Wanted> {
    let host = state
        .host(name)
        .filter(|host| host.retired.is_none() && host.managed_by != ManagedBy::Kdl)?;
    adoption
        .adopted
        .push((name.to_string(), "all of it".to_owned()));
    Some(Wanted::Host(name.clone(), Box::new(host.settings.clone())))
}

fn left(object: &str, path: &str, why: &str) -> RefusedField {
    RefusedField {
        object: object.to_owned(),
        path: path.to_owned(),
        why: why.to_owned(),
    }
}
