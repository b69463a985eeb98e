//! What is due now, in the order in which it begins.

use std::collections::BTreeMap;

use super::super::on_demand::WISHES_LAST;
use super::super::{Context, Error};
use crate::core::model::{HostId, HostName, Label, RunStatus, Timestamp};
use crate::core::schedule::{Line, due};
use crate::store::{DueCause, HostSchedule, SettledFire};

/// A host that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Wanted {
    pub(super) host: HostId,
    pub(super) name: HostName,
    pub(super) directory: HostName,
    /// Its schedules, for the next regular start.
    pub(super) lines: Vec<Line>,
    pub(super) cause: DueCause,
    pub(super) prune: bool,
    /// When it should have started.
    pub(super) starts_at: Timestamp,
}

/// A host with its schedules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Scheduled {
    pub(in super::super) host: HostId,
    pub(in super::super) name: HostName,
    pub(in super::super) directory: HostName,
    pub(in super::super) lines: Vec<Line>,
}

/// The schedules of SQL by host.
pub(in super::super) fn by_host(rows: Vec<HostSchedule>) -> BTreeMap<HostId, Scheduled> {
    let mut hosts: BTreeMap<HostId, Scheduled> = BTreeMap::new();
    for row in rows {
        let host = hosts.entry(row.host).or_insert_with(|| Scheduled {
            host: row.host,
            name: row.host_name,
            directory: row.directory,
            lines: Vec::new(),
        });
        host.lines.push(Line {
            schedule: row.schedule,
            settled_until: row.settled_until,
        });
    }
    hosts
}

/// How many hosts are due at `now`.
///
/// # Errors
/// When the database cannot be read.
pub(in super::super) fn waiting(context: &Context, now: Timestamp) -> Result<usize, Error> {
    Ok(wanted(context, now, Of::All)?.len())
}

/// Whose hosts are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of<'a> {
    /// Those of every server.
    All,
    /// Those that a server owns, or the lone one without a name.
    Server(Option<&'a Label>),
}

/// Every host that is due at `now`, the one that should have started first before others; by name where that is equal.
///
/// # Errors
/// When the database cannot be read.
pub(super) fn wanted(context: &Context, now: Timestamp, of: Of<'_>) -> Result<Vec<Wanted>, Error> {
    let global = context.store.global_settings()?;
    let is_ours = |server: Option<&Label>| match of {
        Of::All => true,
        Of::Server(me) => global.home(server) == me,
    };
    let mut schedules = context.store.schedules()?;
    schedules.retain(|row| is_ours(row.server.as_ref()));
    let hosts = by_host(schedules);
    let mut found: BTreeMap<HostId, Wanted> = BTreeMap::new();
    for retry in context.store.retries()? {
        if retry.at > now || !is_ours(retry.server.as_ref()) {
            continue;
        }
        // Whoever stopped the scheduler has not made the host fail.
        let attempt = match retry.status {
            RunStatus::Cancelled => retry.attempt,
            _ => retry.attempt.saturating_add(1),
        };
        let host = hosts.get(&retry.host);
        found.insert(
            retry.host,
            Wanted {
                host: retry.host,
                directory: host.map_or_else(|| retry.host_name.clone(), |h| h.directory.clone()),
                name: retry.host_name,
                lines: host.map_or_else(Vec::new, |host| host.lines.clone()),
                cause: DueCause::Retry {
                    of: retry.run,
                    fires_at: retry.fires_at,
                    attempt,
                },
                prune: retry.prune,
                starts_at: retry.at,
            },
        );
    }
    for host in hosts.into_values() {
        // A line that fires makes a retry void: it counts its attempts anew.
        let Some(due) = due(&host.directory, &host.lines, now) else {
            continue;
        };
        let lines = due
            .lines
            .into_iter()
            .map(|(cron, timezone, settling)| SettledFire {
                cron,
                timezone,
                from: settling.from,
                to: settling.to,
            })
            .collect();
        let wanted = Wanted {
            host: host.host,
            name: host.name,
            directory: host.directory,
            lines: host.lines,
            cause: DueCause::Fires {
                fires_at: due.fires_at,
                lines,
            },
            prune: due.prune,
            starts_at: due.starts_at,
        };
        found.insert(host.host, wanted);
    }
    for wish in context.store.backup_wishes(now.minus(WISHES_LAST))? {
        // What else is due comes first, and this on a later tick.
        if !is_ours(wish.server.as_ref()) {
            continue;
        }
        found.entry(wish.host).or_insert_with(|| Wanted {
            host: wish.host,
            name: wish.host_name,
            directory: wish.directory,
            lines: Vec::new(),
            cause: DueCause::Wished {
                by: wish.by,
                at: wish.at,
            },
            prune: false,
            starts_at: wish.at,
        });
    }
    let mut wanted: Vec<Wanted> = found.into_values().collect();
    wanted.sort_by(|a, b| (a.starts_at, &a.name).cmp(&(b.starts_at, &b.name)));
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::super::super::configure::{HostEdit, configure_host, schedule};
    use super::super::super::{Context, clock};
    use super::{Of, wanted};
    use crate::core::model::{HostName, RunStatus, Span, Timestamp};
    use crate::store::{Claim, Claimed, RunEnd};

    /// A host whose nightly backup with a prune failed and is to be tried again at the moment returned.
    fn failed(context: &Context, name: &HostName) -> Timestamp {
        let edit = HostEdit {
            address: Some("192.0.2.7".parse().unwrap()),
            ..HostEdit::default()
        };
        configure_host(context, name, &edit).unwrap();
        with_prune(context, name, true);
        let at = clock::now().plus(Span::from_hours(48));
        let due = wanted(context, at, Of::All).unwrap().remove(0);
        assert!(due.prune);
        let claim = Claim {
            host: due.host,
            cause: due.cause,
            prune: due.prune,
            at,
            process: "p".to_owned(),
            max_concurrent: 1,
            server: None,
            lease: Span::from_seconds(120),
        };
        let Claimed::Run(run, _) = context.store.claim(&claim).unwrap() else {
            panic!("not claimed");
        };
        let end = RunEnd {
            run,
            status: RunStatus::Failed,
            at,
            message: String::new(),
            cause: None,
        };
        context.store.finish_run(&end).unwrap();
        assert!(context.store.plan_retry(run, at).unwrap());
        at
    }

    fn with_prune(context: &Context, name: &HostName, prune: bool) {
        let line = ("15 2 * * *".parse().unwrap(), Span::from_seconds(0), prune);
        schedule(context, name, &Some(line)).unwrap();
    }

    #[test]
    fn what_is_tried_again_is_what_the_schedules_ask_for_by_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = camino::Utf8PathBuf::from_path_buf(folder.path().join("p.db")).unwrap();
        let context = Context::create(&path).unwrap();
        let web: HostName = "web".parse().unwrap();
        let at = failed(&context, &web);
        assert!(wanted(&context, at, Of::All).unwrap()[0].prune);
        with_prune(&context, &web, false);
        let retries = wanted(&context, at, Of::All).unwrap();
        assert_eq!(retries.len(), 1, "{retries:?}");
        assert!(!retries[0].prune, "the prune was taken back meanwhile");
        schedule(&context, &web, &None).unwrap();
        assert_eq!(wanted(&context, at, Of::All).unwrap(), []);
    }
}
