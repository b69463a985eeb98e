//! What is wrong with this installation.

use std::os::unix::fs::PermissionsExt as _;

use serde::Serialize;
use utoipa::ToSchema;

use super::absent::absent;
use super::context::Facts;
use super::{Context, Error, database_server};
use crate::core::model::{AbsolutePath, Guard, Label, NotifyTarget, SnapshotStatus};
use crate::core::plan::ClockFacts;
use crate::disk::Root;
use crate::store::{DatabaseAddress, Sqlite};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// As it should be.
    Good,
    /// It works, and could be better.
    Advice,
    /// Backups or prunes fail, or would.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Finding {
    /// How much it matters.
    pub level: Level,
    /// What was looked at.
    pub what: &'static str,
    /// What was seen.
    pub message: String,
    /// What to do about it; empty where nothing needs doing.
    pub help: String,
}

impl Finding {
    /// Says that the backup root cannot be used: no backup, prune or restore works, however well the hosts are.
    #[must_use]
    pub fn is_of_lost_root(&self) -> bool {
        self.level == Level::Problem && self.what == "root"
    }
}

pub(super) fn finding(
    level: Level,
    what: &'static str,
    message: impl Into<String>,
    help: impl Into<String>,
) -> Finding {
    Finding {
        level,
        what,
        message: message.into(),
        help: help.into(),
    }
}

/// Looks at programs, database, root, keys and clock. With `clock_is_right` a person vouches for the present time.
#[must_use]
pub fn check(
    database: &DatabaseAddress,
    server: Option<&Label>,
    clock_is_right: bool,
) -> Vec<Finding> {
    let mut found = vec![rsync()];
    let opened = Context::open(database).and_then(|mut context| {
        context.server = server.cloned();
        Ok((context.facts()?, context))
    });
    match opened {
        Ok((facts, context)) => {
            found.push(finding(
                Level::Good,
                "database",
                format!(
                    "{database}, serial {}, hosts: {}",
                    facts.state.serial,
                    facts.state.hosts.len()
                ),
                "",
            ));
            found.extend(state_folder(&context, database));
            if let DatabaseAddress::Server(address) = database {
                found.extend(database_server::check(address));
            }
            found.push(clock(&context, clock_is_right));
            found.extend(root(&context, &facts));
            found.extend(absent(&context, &facts));
            found.extend(keys(&facts));
            found.extend(hooks(&facts));
            let snapshots = facts.snapshots.values().flatten();
            let gone = snapshots.filter(|s| s.status == SnapshotStatus::Missing);
            found.extend(missing(gone.count()));
            found.push(telling(&context, &facts));
        }
        Err(error) => found.push(failed("database", &error)),
    }
    found
}

pub(super) fn failed(what: &'static str, error: &Error) -> Finding {
    finding(
        Level::Problem,
        what,
        super::sentence(error),
        error.help().unwrap_or_default(),
    )
}

fn rsync() -> Finding {
    match crate::rsync::local_version() {
        Ok(version) if version.is_supported() => {
            finding(Level::Good, "rsync", version.to_string(), "")
        }
        Ok(version) => finding(
            Level::Problem,
            "rsync",
            format!("{version} is older than {}", crate::rsync::MINIMUM_VERSION),
            "install a newer rsync: older ones let a hostile host write outside the snapshot",
        ),
        Err(message) => finding(
            Level::Problem,
            "rsync",
            message.to_string(),
            "install the package rsync",
        ),
    }
}

fn state_folder(context: &Context, database: &DatabaseAddress) -> Option<Finding> {
    let folder = &context.state_folder;
    Sqlite::folder_is_open(database.file()?).then(|| {
        finding(
            Level::Problem,
            "database",
            format!("{folder} can be written by others, who could put another database there"),
            format!("chmod go-w {folder}"),
        )
    })
}

fn clock(context: &Context, is_right: bool) -> Finding {
    let seen = context.store.sign_of_life().and_then(|last_seen| {
        // Taken after it: a scheduler may record a moment in between.
        let now = super::clock::now();
        let doubt = ClockFacts { now, last_seen }.doubt().filter(|_| !is_right);
        if doubt.is_none() {
            context.store.record_sign_of_life(now)?;
        }
        Ok(doubt)
    });
    match seen {
        Ok(None) => finding(Level::Good, "clock", super::clock::now().to_string(), ""),
        Ok(Some(doubt)) => doubted(doubt),
        Err(error) => failed("clock", &error.into()),
    }
}

/// That the clock is not to be trusted, and why.
pub(super) fn doubted(doubt: String) -> Finding {
    finding(
        Level::Problem,
        "clock",
        doubt,
        "no unattended prune runs until the clock is mended, or pobsync check --clock-is-right says that it is",
    )
}

pub(super) fn root(context: &Context, facts: &Facts) -> Vec<Finding> {
    let path = match context.backup_root(&facts.state) {
        Ok(path) => path,
        Err(Error::NoBackupRoot) => {
            return vec![finding(
                Level::Problem,
                "root",
                "no backup root is set",
                "set `backup-root` and apply",
            )];
        }
        Err(error) => return vec![failed("root", &error)],
    };
    let opened = match &facts.root {
        Some(record) => Root::open(&path, Some(&record.id)),
        None => {
            let message = format!("{path} is not in use yet");
            return vec![finding(
                Level::Advice,
                "root",
                message,
                "the first backup takes it into use",
            )];
        }
    };
    match opened.map_err(Error::from).and_then(|root| {
        root.require_lineage(&facts.state.lineage)?;
        Ok(root)
    }) {
        Ok(root) => opened_root(&root, &path, facts),
        Err(error) => vec![failed("root", &error)],
    }
}

fn opened_root(root: &Root, path: &AbsolutePath, facts: &Facts) -> Vec<Finding> {
    let mut found = vec![finding(
        Level::Good,
        "root",
        format!("{path} (id {})", root.id()),
        "",
    )];
    let guard = facts
        .state
        .global
        .as_ref()
        .map_or_else(Guard::default, |g| g.settings.guard);
    let min_free = guard.min_free;
    match root.space() {
        Ok(space) if space.is_short_of_bytes(min_free) || space.is_short_of_inodes(min_free) => {
            found.push(finding(
                Level::Problem,
                "space",
                format!("less than {min_free} of {path} is free: no run starts"),
                "make room, or lower `min-free` in `guard`",
            ))
        }
        Ok(_) if !super::space::scarce(root, facts).is_empty() => {
            found.extend(super::space::scarce(root, facts).into_iter().map(|line| {
                finding(
                    Level::Advice,
                    "space",
                    line,
                    "make room: shorten a retention, or enlarge the disk",
                )
            }));
        }
        Ok(space) => found.push(finding(
            Level::Good,
            "space",
            format!(
                "{} free",
                crate::core::model::ByteCount(space.bytes_available)
            ),
            "",
        )),
        Err(error) => found.push(failed("space", &error.into())),
    }
    match root.mount() {
        Ok(mount) if mount.nosuid && mount.nodev => {}
        Ok(_) => found.push(finding(
            Level::Advice,
            "mount",
            format!("{path} is not mounted nosuid,nodev"),
            "modes are kept as they are: mount the root nosuid,nodev so that no program in a snapshot can be live",
        )),
        Err(error) => found.push(failed("mount", &error.into())),
    }
    if let Ok(false) = root.is_private() {
        found.push(finding(
            Level::Problem,
            "mode",
            format!("{path} can be entered by others"),
            format!("chmod 0700 {path}"),
        ));
    }
    found
}

fn keys(facts: &Facts) -> Vec<Finding> {
    let mut paths: Vec<&AbsolutePath> = facts
        .state
        .hosts
        .iter()
        .filter(|host| host.retired.is_none())
        .filter_map(|host| host.settings.ssh.identity.as_ref()?.literal())
        .collect();
    paths.sort();
    paths.dedup();
    paths.into_iter().filter_map(key).collect()
}

fn key(path: &AbsolutePath) -> Option<Finding> {
    match std::fs::metadata(path.as_str()) {
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => Some(finding(
            Level::Problem,
            "key",
            format!("{path} can be read by others, and ssh refuses it"),
            format!("chmod 0600 {path}"),
        )),
        Ok(_) => None,
        Err(error) => Some(finding(
            Level::Problem,
            "key",
            format!("{path}: {error}"),
            "make it with ssh-keygen -t ed25519",
        )),
    }
}

/// Whether anybody would be told, and is.
pub(super) fn telling(context: &Context, facts: &Facts) -> Finding {
    const WHAT: &str = "notifications";
    let receivers = facts
        .state
        .global
        .as_ref()
        .map_or(0, |global| global.settings.notify.len());
    let backlog = match context.store.backlog() {
        Ok(backlog) => backlog,
        Err(error) => return failed(WHAT, &error.into()),
    };
    let is_late = super::tell::is_overdue(backlog.waiting_since, super::clock::now());
    if backlog.given_up > 0 || is_late {
        return finding(
            Level::Problem,
            WHAT,
            format!(
                "not delivered: {} waiting, {} given up",
                backlog.waiting, backlog.given_up
            ),
            "pobsync notify list says why; pobsync notify retry sends them again",
        );
    }
    if receivers == 0 {
        return finding(
            Level::Advice,
            WHAT,
            "nobody is told when a backup fails",
            "add `notify` to `global`; pobsync notify test tries it",
        );
    }
    finding(Level::Good, WHAT, format!("receivers: {receivers}"), "")
}

/// The hooks of this server that could not run; those of hosts are looked at by `test HOST`.
fn hooks(facts: &Facts) -> Vec<Finding> {
    let folder = super::hooks_folder();
    let hosts = facts.state.hosts.iter().filter(|h| h.retired.is_none());
    let around = hosts.flat_map(|host| {
        let hooks = &host.settings.hooks;
        hooks.before.iter().chain(&hooks.after)
    });
    let told = facts.state.global.iter().flat_map(|g| &g.settings.notify);
    let told = told.flat_map(|notify| &notify.targets).filter_map(|to| {
        if let NotifyTarget::Command(name) = to {
            Some(name)
        } else {
            None
        }
    });
    let names: std::collections::BTreeSet<_> = around.chain(told).collect();
    names
        .into_iter()
        .filter_map(|name| folder.find(name).err())
        .map(|problem| {
            finding(
                Level::Problem,
                "hook",
                problem.to_string(),
                "hooks lie in /etc/pobsync/hooks.d, or where POBSYNC_HOOKS says",
            )
        })
        .collect()
}

/// That so many snapshots are gone from the disk.
pub(super) fn missing(count: usize) -> Option<Finding> {
    (count > 0).then(|| {
        finding(
            Level::Problem,
            "snapshots",
            format!("{count} are recorded and not on disk"),
            "bring them back and run pobsync discover-snapshots; pobsync snapshots --all lists them",
        )
    })
}
