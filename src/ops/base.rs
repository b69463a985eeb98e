//! Two versions of the configuration on the same snapshots: what a change does, whatever SQL holds today.

use std::collections::HashMap;
use std::os::unix::fs::DirBuilderExt as _;
use std::process::{Command, Stdio};

use camino::{Utf8Path, Utf8PathBuf};

use super::context::Facts;
use super::{Error, load, random_bytes};
use crate::core::desired::DesiredState;
use crate::core::model::{
    HostId, HostName, ManagedBy, Policy, SnapshotsOnRemoval, SqlGlobal, SqlHost, Timestamp,
};

/// Reads the version that `base` names: a file, or a revision of the repository that holds `file`, includes too.
///
/// # Errors
/// When it is neither, or that version is not valid.
pub fn load_base(file: &Utf8Path, base: &str) -> Result<DesiredState, Error> {
    let path = Utf8Path::new(base);
    if path.is_file() {
        return Ok(load(path)?.desired);
    }
    let copy = Checkout::of(file, base)?;
    Ok(load(&copy.file)?.desired)
}

/// The SQL state as it would be with `base` applied: hosts keep their rows, snapshots and approvals.
pub fn as_if_applied(facts: Facts, base: &DesiredState) -> Facts {
    let Facts {
        mut state,
        snapshots,
        usage,
        root,
        elsewhere,
        only,
        other_roots,
    } = facts;
    let old = std::mem::take(&mut state.hosts);
    let epoch = Timestamp::from_millis(0);
    state.global = Some(SqlGlobal {
        managed_by: ManagedBy::Kdl,
        settings: base.global.clone(),
        applied: Some(base.global.clone()),
        changed_at: epoch,
        changed_by: String::new(),
    });
    let live = old.iter().filter(|host| host.retired.is_none());
    let by_name: HashMap<&HostName, &SqlHost> = live.map(|host| (&host.name, host)).collect();
    let row_of = |name: &HostName| by_name.get(name).copied();
    for (i, host) in base.hosts.iter().enumerate() {
        let row = row_of(&host.name).or_else(|| host.was.as_ref().and_then(row_of));
        state.hosts.push(SqlHost {
            // Rows count from 1: a host that SQL does not know has none, and no snapshots.
            id: row.map_or(HostId(-1 - i64::try_from(i).unwrap_or(0)), |row| row.id),
            name: host.name.clone(),
            directory: row.map_or_else(|| host.name.clone(), |row| row.directory.clone()),
            managed_by: ManagedBy::Kdl,
            settings: host.settings.clone(),
            applied: Some(host.settings.clone()),
            retired: None,
            pause: row.and_then(|row| row.pause.clone()),
            // An apply of it approves its policies.
            approved_policy: host.settings.retention.as_ref().map(Policy::fingerprint),
            changed_at: epoch,
            changed_by: String::new(),
        });
    }
    let is_taken =
        |host: &SqlHost, hosts: &[SqlHost]| hosts.iter().any(|other| other.id == host.id);
    for host in old {
        if is_taken(&host, &state.hosts) {
            continue;
        }
        // What the base does not have either is not this change's doing: it is as good as gone, or nobody's business.
        if host.managed_by != ManagedBy::Kdl || host.retired.is_some() {
            state.hosts.push(host);
        } else {
            let retired = crate::core::model::Retirement {
                at: epoch,
                snapshots: SnapshotsOnRemoval::Keep,
            };
            state.hosts.push(SqlHost {
                retired: Some(retired),
                ..host
            });
        }
    }
    state.hosts.sort_by(|a, b| a.name.cmp(&b.name));
    Facts {
        state,
        snapshots,
        usage,
        root,
        elsewhere,
        only,
        other_roots,
    }
}

/// The files of a revision in a folder of their own, which goes with this value.
struct Checkout {
    folder: Utf8PathBuf,
    file: Utf8PathBuf,
}

impl Checkout {
    fn of(file: &Utf8Path, revision: &str) -> Result<Self, Error> {
        if revision.starts_with('-') || revision.chars().any(char::is_control) {
            return Err(not_a_version(
                revision,
                "it is neither a file nor a revision",
            ));
        }
        let real = file.canonicalize_utf8().map_err(|source| Error::File {
            doing: "find",
            path: file.to_string(),
            source,
        })?;
        let folder = real.parent().unwrap_or(Utf8Path::new("/"));
        let name = real.file_name().unwrap_or_default();
        // Names below the folder of the file alone: an include leads nowhere else.
        let list = git(
            folder,
            &["ls-tree", "-r", "-z", "--name-only", revision, "--", "."],
        )
        .map_err(|why| not_a_version(revision, &why))?;
        let copy = Self::make(name)?;
        for path in list.split(|b| *b == 0).filter(|path| !path.is_empty()) {
            let Some(path) = std::str::from_utf8(path)
                .ok()
                .filter(|path| path.ends_with(".kdl") || *path == name)
            else {
                continue;
            };
            let text = git(
                folder,
                &["show", "--no-textconv", &format!("{revision}:./{path}")],
            )
            .map_err(|why| not_a_version(revision, &why))?;
            copy.write(path, &text)?;
        }
        if copy.file.exists() {
            Ok(copy)
        } else {
            Err(not_a_version(revision, &format!("it has no {name}")))
        }
    }

    fn make(name: &str) -> Result<Self, Error> {
        let suffix: String = random_bytes()?.iter().map(|b| format!("{b:02x}")).collect();
        let temporary =
            Utf8PathBuf::from_path_buf(std::env::temp_dir()).unwrap_or_else(|_| "/tmp".into());
        let folder = temporary.join(format!("pobsync-base-{suffix}"));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|source| Error::File {
            doing: "make",
            path: folder.to_string(),
            source,
        })?;
        Ok(Self {
            file: folder.join(name),
            folder,
        })
    }

    fn write(&self, path: &str, text: &[u8]) -> Result<(), Error> {
        let to = self.folder.join(path);
        let written = to
            .parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&to, text));
        written.map_err(|source| Error::File {
            doing: "write",
            path: to.to_string(),
            source,
        })
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn git(folder: &Utf8Path, args: &[&str]) -> Result<Vec<u8>, String> {
    let mut command = Command::new("git");
    // A hook has these set, for the repository and the index that it runs for: neither is what was asked about.
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(name);
    }
    let output = command
        .args(["-c", "core.fsmonitor=false", "-C", folder.as_str()])
        .args(args)
        // A plan reads what is here, and fetches nothing (git 2.45 and later).
        .env("GIT_NO_LAZY_FETCH", "1")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("git cannot be run: {error}"))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8_lossy(&output.stderr)
            .lines()
            .next()
            .unwrap_or("git failed")
            .to_owned())
    }
}

fn not_a_version(base: &str, why: &str) -> Error {
    Error::NoBase {
        base: base.to_owned(),
        why: why.to_owned(),
    }
}
