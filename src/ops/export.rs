//! The SQL state as KDL, read back before it is given out: what it asks for is what SQL holds.

use std::collections::BTreeSet;
use std::os::unix::fs::DirBuilderExt as _;

use camino::{Utf8Path, Utf8PathBuf};

use super::output_file::write_new;
use super::{Error, random_bytes};
use crate::config::{self, Content, Exported, Loaded};
use crate::core::diff::{Action, Change, Comparison, Object, Scope, compare};
use crate::core::model::{GlobalSettings, HostName, ManagedBy, SnapshotsOnRemoval, SqlState};

/// Half of what a file may have: people add to it.
const PART: usize = 2 << 20;
/// What the hosts go into beside a file that would be too large.
const FOLDER: &str = "hosts";

/// What was written.
#[derive(Debug)]
pub struct Export {
    /// Paths relative to the folder of the first, and texts. The first is the file that includes the others.
    pub files: Vec<(Utf8PathBuf, String)>,
    /// Hosts, or `global`, that no file manages yet: the next apply adopts them.
    pub adopted: Vec<String>,
}

/// Writes `state` as KDL under the name `name`, in several files if one would be too large.
///
/// # Errors
/// When SQL holds what no file can ask for.
pub fn export(state: &SqlState, name: &str) -> Result<Export, Error> {
    let exported = config::export(&content(state));
    let whole = exported.one_file();
    if whole.len() as u64 <= config::LARGEST {
        check(state, config::load_text(name, whole.clone()))?;
        return Ok(Export {
            files: vec![(name.into(), whole)],
            adopted: adopted(state),
        });
    }
    let files = split(&exported, name);
    let folder = Scratch::new()?;
    write_below(&folder.0, &files)?;
    check(state, config::load(&folder.0.join(name)))?;
    Ok(Export {
        files,
        adopted: adopted(state),
    })
}

/// Writes the files of an export: `path` and what it includes. What is there is not replaced.
///
/// # Errors
/// When one is there already or cannot be written.
pub fn write_export(path: &Utf8Path, export: &Export) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Utf8Path::new(""));
    // Other files in the folder would be included too.
    let beside = (export.files.len() > 1).then(|| folder.join(FOLDER));
    for there in [Some(path.to_owned()), beside].into_iter().flatten() {
        if there.symlink_metadata().is_ok() {
            let path = there.into_string();
            return Err(Error::Exists { path });
        }
    }
    write_below(folder, &export.files)
}

fn content(state: &SqlState) -> Content<'_> {
    let live = || state.hosts.iter().filter(|host| host.retired.is_none());
    let in_use: BTreeSet<_> = live().map(|host| host.name.folded()).collect();
    let has_left = |keep: SnapshotsOnRemoval| {
        let retired = state.hosts.iter().filter(move |host| {
            host.retired
                .is_some_and(|retired| retired.snapshots == keep)
        });
        retired.map(|host| &host.name)
    };
    // `removed` speaks of all that ever had the name: where one of them keeps its snapshots it is left out, which
    // changes nothing for the others.
    let kept: BTreeSet<&HostName> = has_left(SnapshotsOnRemoval::Keep).collect();
    let mut removed: Vec<&HostName> = has_left(SnapshotsOnRemoval::Delete)
        .filter(|name| !in_use.contains(&name.folded()) && !kept.contains(name))
        .collect();
    removed.sort();
    let mut seen = BTreeSet::new();
    removed.retain(|name| seen.insert(name.folded()));
    let mut hosts: Vec<_> = live().map(|host| (&host.name, &host.settings)).collect();
    hosts.sort_by_key(|(name, _)| *name);
    Content {
        global: state.global.as_ref().map(|global| &global.settings),
        hosts,
        removed,
    }
}

fn adopted(state: &SqlState) -> Vec<String> {
    let global = state
        .global
        .iter()
        .filter(|global| global.managed_by != ManagedBy::Kdl)
        .map(|_| "global".to_owned());
    let hosts = state
        .hosts
        .iter()
        .filter(|host| host.retired.is_none() && host.managed_by != ManagedBy::Kdl)
        .map(|host| host.name.to_string());
    global.chain(hosts).collect()
}

fn split(exported: &Exported, name: &str) -> Vec<(Utf8PathBuf, String)> {
    let head = format!("{}\ninclude \"{FOLDER}/*.kdl\"\n", exported.head);
    let parts = exported.parts(PART).into_iter().enumerate();
    let parts = parts.map(|(i, part)| {
        (
            Utf8PathBuf::from(format!("{FOLDER}/{:04}.kdl", i + 1)),
            part,
        )
    });
    std::iter::once((Utf8PathBuf::from(name), head))
        .chain(parts)
        .collect()
}

/// The file that includes the others comes last: it is not there before they are.
fn write_below(folder: &Utf8Path, files: &[(Utf8PathBuf, String)]) -> Result<(), Error> {
    for (name, text) in files.iter().rev() {
        let path = folder.join(name);
        let made = match path.parent().filter(|parent| !parent.as_str().is_empty()) {
            Some(parent) => std::fs::create_dir_all(parent),
            None => Ok(()),
        };
        made.map_err(|source| Error::File {
            doing: "make the folder of",
            path: path.to_string(),
            source,
        })?;
        write_new(&path, text)?;
    }
    Ok(())
}

/// An apply of what was read back may adopt, and change nothing else.
fn check(state: &SqlState, loaded: Loaded) -> Result<(), Error> {
    let Some(desired) = &loaded.state else {
        return Err(Error::NotExportable {
            settings: reasons(&loaded),
        });
    };
    let Comparison {
        changes,
        drift: _,
        unmanaged,
        conflicts,
    } = compare(desired, state, &Scope::Everything);
    let settings: Vec<String> = changes
        .iter()
        .flat_map(|change| differences(change, state))
        .chain(unmanaged.iter().map(|name| format!("host {name}")))
        .chain((!conflicts.is_empty()).then(|| "names of hosts that have left".to_owned()))
        .collect();
    if settings.is_empty() {
        Ok(())
    } else {
        Err(Error::NotExportable { settings })
    }
}

fn differences(change: &Change, state: &SqlState) -> Vec<String> {
    // Without settings of the service a plan always creates the built-in ones.
    let is_first = change.object == Object::Global && state.global.is_none();
    let is_adoption = |path: &str| path == "managed-by";
    if is_first {
        let built_in = GlobalSettings::default();
        let built_in = crate::core::diff::changed_fields(None, Some(&built_in));
        if change.fields == built_in {
            return Vec::new();
        }
    }
    let what = match change.object {
        Object::Global => "global".to_owned(),
        Object::Host => format!("host {}", change.name),
    };
    if !matches!(change.action, Action::Update) && !is_first {
        return vec![what];
    }
    let fields = change.fields.iter().filter(|f| !is_adoption(&f.path));
    fields
        .map(|field| {
            format!(
                "{what}: {} is {}, and a file would make it {}",
                field.path, field.old, field.new
            )
        })
        .collect()
}

/// What the loader says against its own program's text: a value that entered by another way than KDL.
fn reasons(loaded: &Loaded) -> Vec<String> {
    let findings = loaded.report.findings().iter();
    findings.map(|finding| finding.message.clone()).collect()
}

/// A folder that goes with this value.
struct Scratch(Utf8PathBuf);

impl Scratch {
    fn new() -> Result<Self, Error> {
        let suffix: String = random_bytes()?.iter().map(|b| format!("{b:02x}")).collect();
        let temporary =
            Utf8PathBuf::from_path_buf(std::env::temp_dir()).unwrap_or_else(|_| "/tmp".into());
        let folder = temporary.join(format!("pobsync-export-{suffix}"));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|source| Error::File {
            doing: "make",
            path: folder.to_string(),
            source,
        })?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8PathBuf;

    use super::{export, write_export};
    use crate::core::model::{
        HostId, HostSettings, Lineage, ManagedBy, Retirement, Serial, SnapshotsOnRemoval, SqlHost,
        SqlState, Timestamp, Value,
    };
    use crate::ops::Error;

    fn host(id: i64, name: &str) -> SqlHost {
        let mut settings = HostSettings::at(Value::Literal(
            format!("{name}.example.net").parse().unwrap(),
        ));
        settings.sources = vec!["/etc".parse().unwrap()];
        SqlHost {
            id: HostId(id),
            name: name.parse().unwrap(),
            directory: name.parse().unwrap(),
            managed_by: ManagedBy::Kdl,
            applied: Some(settings.clone()),
            settings,
            retired: None,
            approved_policy: None,
            pause: None,
            changed_at: Timestamp::from_millis(0),
            changed_by: "alice".to_owned(),
        }
    }

    fn left(host: SqlHost, snapshots: SnapshotsOnRemoval) -> SqlHost {
        let at = Timestamp::from_millis(0);
        SqlHost {
            retired: Some(Retirement { at, snapshots }),
            ..host
        }
    }

    fn state(hosts: Vec<SqlHost>) -> SqlState {
        SqlState {
            lineage: Lineage::from_random([1; 16]),
            serial: Serial(1),
            global: None,
            hosts,
        }
    }

    #[test]
    fn hosts_that_left_are_removed_only_where_that_changes_nothing() {
        use SnapshotsOnRemoval::{Delete, Keep};
        let state = state(vec![
            host(1, "live"),
            left(host(2, "live"), Delete),
            left(host(3, "kept"), Keep),
            left(host(4, "gone"), Delete),
            left(host(5, "mixed"), Delete),
            left(host(6, "mixed"), Keep),
            left(host(7, "GONE"), Delete),
        ]);
        let text = export(&state, "pobsync.kdl").unwrap().files.remove(0).1;
        let removed: Vec<&str> = text.lines().filter(|l| l.starts_with("removed")).collect();
        assert_eq!(removed, ["removed \"GONE\" snapshots=\"delete\""]);
        assert!(text.contains("host \"live\""), "{text}");
    }

    #[test]
    fn what_no_file_can_say_is_told_by_name() {
        let mut odd = host(1, "odd");
        odd.settings.retention = Some(crate::core::model::Policy {
            timezone: chrono_tz::Europe::Amsterdam,
            ..crate::core::model::Policy::of("daily=7".parse().unwrap())
        });
        match export(&state(vec![odd]), "pobsync.kdl") {
            Err(Error::NotExportable { settings }) => assert_eq!(
                settings,
                [
                    "host odd: retention.timezone is \"Europe/Amsterdam\", and a file would make it \"UTC\""
                ]
            ),
            other => panic!("{other:?}"),
        }
        let mut empty = host(1, "empty");
        empty.settings.sources.clear();
        match export(&state(vec![empty]), "pobsync.kdl") {
            Err(Error::NotExportable { settings }) => {
                assert_eq!(settings, ["host empty has nothing to back up"]);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_large_fleet_goes_into_several_files() {
        let hosts = (1..=40).map(|i| {
            let mut host = host(i, &format!("host-{i:02}"));
            let long = |n: i64| format!("/{i}/{n}/{}", "x".repeat(4000)).parse().unwrap();
            host.settings.excludes = (0..30).map(long).collect();
            host.applied = Some(host.settings.clone());
            host
        });
        let state = state(hosts.collect());
        let export = export(&state, "fleet.kdl").unwrap();
        assert!(export.files.len() > 3, "{}", export.files.len());
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(folder.path().join("fleet.kdl")).unwrap();
        write_export(&path, &export).unwrap();
        let loaded = crate::config::load(&path);
        assert_eq!(loaded.state.unwrap().hosts.len(), 40);
        // A second one would mix with the first.
        let other = path.with_file_name("other.kdl");
        assert!(matches!(
            write_export(&other, &export),
            Err(Error::Exists { .. })
        ));
    }
}
