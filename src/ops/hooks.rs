//! The programs that run around a pull: `before`, then `remote-before`; after it `remote-after`, then `after`.
//!
//! What the first two prepare the last two undo, so that these run whatever came of the pull, as soon as their forerunners
//! have begun.

use std::fs::File;
use std::io::Write as _;

use super::hooks_folder;
use crate::core::model::{HookName, Hooks, HostName, RunStatus, SnapshotKind, SnapshotName, Span};
use crate::disk::HostLock;
use crate::rsync::{HookCall, HookError, HooksFolder, Pull, Stop};

/// What a hook that undoes something gets after somebody has asked for the run to stop: they are waiting.
const AFTER_A_STOP: Span = Span::from_seconds(30);

/// The hooks of one pull.
pub(super) struct HooksOfPull<'a> {
    pub(super) hooks: &'a Hooks,
    pub(super) pull: &'a Pull,
    pub(super) host: &'a HostName,
    pub(super) kind: SnapshotKind,
    pub(super) snapshot: &'a SnapshotName,
    pub(super) stop: &'a Stop,
    /// The run's log; without one, what they say is lost.
    pub(super) log: Option<File>,
}

/// How far the hooks before a pull came.
pub(super) struct Prepared {
    /// The host's own have begun, so that those after the pull have something to undo.
    is_remote_begun: bool,
    /// Why the pull may not begin.
    pub(super) failed: Option<FailedHook>,
}

/// A hook that failed.
pub(super) struct FailedHook {
    moment: Moment,
    name: HookName,
    error: HookError,
}

impl FailedHook {
    pub(super) fn is_cancelled(&self) -> bool {
        matches!(self.error, HookError::Cancelled)
    }

    /// Trying again by itself may help; and it may be an attack.
    pub(super) fn retry_and_alarm(&self) -> (bool, bool) {
        match self.error {
            HookError::Unreached { retry, alarm, .. } => (retry, alarm),
            _ => (false, false),
        }
    }
}

impl std::fmt::Display for FailedHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            moment,
            name,
            error,
        } = self;
        write!(f, "the `{}` hook {name} failed: {error}", moment.as_str())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    Before,
    RemoteBefore,
    RemoteAfter,
    After,
}

impl Moment {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::RemoteBefore => "remote-before",
            Self::RemoteAfter => "remote-after",
            Self::After => "after",
        }
    }

    const fn is_remote(self) -> bool {
        matches!(self, Self::RemoteBefore | Self::RemoteAfter)
    }
}

impl HooksOfPull<'_> {
    /// Runs what comes before the pull; the first that fails ends it.
    pub(super) fn before(&self, lock: &mut HostLock) -> Prepared {
        let mut prepared = Prepared {
            is_remote_begun: false,
            failed: None,
        };
        for (moment, names) in [
            (Moment::Before, &self.hooks.before),
            (Moment::RemoteBefore, &self.hooks.remote_before),
        ] {
            prepared.is_remote_begun = moment == Moment::RemoteBefore;
            for name in names {
                if let Err(failed) =
                    self.run(lock, moment, name, RunStatus::Running, self.hooks.timeout)
                {
                    prepared.failed = Some(failed);
                    return prepared;
                }
            }
        }
        prepared
    }

    /// Runs what comes after the pull, each whatever came of the others; says which failed.
    pub(super) fn after(
        &self,
        lock: &mut HostLock,
        prepared: &Prepared,
        status: RunStatus,
    ) -> Vec<FailedHook> {
        let is_stopped = self.stop.is_asked();
        let timeout = if is_stopped {
            self.hooks.timeout.min(AFTER_A_STOP)
        } else {
            self.hooks.timeout
        };
        let of_the_host = self
            .hooks
            .remote_after
            .iter()
            .filter(|_| prepared.is_remote_begun)
            .map(|name| (Moment::RemoteAfter, name));
        let all = of_the_host.chain(self.hooks.after.iter().map(|name| (Moment::After, name)));
        all.filter_map(|(moment, name)| self.run(lock, moment, name, status, timeout).err())
            .collect()
    }

    fn run(
        &self,
        lock: &mut HostLock,
        moment: Moment,
        name: &HookName,
        status: RunStatus,
        timeout: Span,
    ) -> Result<(), FailedHook> {
        self.note(&format!("hook {} {name}", moment.as_str()));
        let never = Stop::new();
        // What stopped the pull must not stop what undoes its preparations.
        let is_stopped = !matches!(moment, Moment::Before | Moment::RemoteBefore)
            && self.stop.is_asked()
            && !self.stop.is_hurried();
        let words = [
            ("POBSYNC_HOOK", moment.as_str().to_owned()),
            ("POBSYNC_HOST", self.host.to_string()),
            ("POBSYNC_KIND", self.kind.as_str().to_owned()),
            ("POBSYNC_SNAPSHOT", self.snapshot.to_string()),
            ("POBSYNC_STATUS", status.as_str().to_owned()),
        ];
        let call = HookCall {
            arguments: words.iter().map(|(_, word)| word.clone()).collect(),
            environment: words.into(),
            input: Vec::new(),
            timeout,
            stop: if is_stopped { &never } else { self.stop },
            log: self.log.as_ref().and_then(|log| log.try_clone().ok()),
        };
        let mut on_start = |started: crate::rsync::Started| {
            if let Err(error) = lock.record_children(started.pid) {
                tracing::warn!("{}: {error}", self.host);
            }
        };
        let done = if moment.is_remote() {
            self.pull.run_remote_hook(name, call, &mut on_start)
        } else {
            let folder: HooksFolder = hooks_folder();
            folder.run(name, call, &mut on_start)
        };
        done.map_err(|error| {
            let failed = FailedHook {
                moment,
                name: name.clone(),
                error,
            };
            self.note(&failed.to_string());
            failed
        })
    }

    /// A line of our own in the log; one that cannot be written makes no backup fail.
    fn note(&self, line: &str) {
        if let Some(mut log) = self.log.as_ref() {
            let _ = writeln!(log, "pobsync: {line}");
        }
    }
}
