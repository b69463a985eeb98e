//! What a killed process left: its rows are settled, its rsync is ended, its snapshots are recorded as they are.

use std::collections::BTreeSet;

use super::super::cut_off::{finish_cut_off, log_finished};
use super::super::grip::is_gone;
use super::super::lost_runs::{is_lost, settle_lost_run, settle_lost_runs, unleased_runs};
use super::super::reconcile::reconcile;
use super::super::root::{grip_host, open_root};
use super::super::{Context, Error, Stop, clock, process_name, sentence};
use crate::core::model::{HostId, Label, RunStatus, SnapshotStatus, SqlHost};
use crate::store::{HostKey, RunEnd, RunFilter, RunRecord};

/// Settles every run whose process has gone. `at_work` are the hosts this process is at work on: what it does there, a
/// prune behind a backup too, is nobody's loss.
///
/// # Errors
/// When the database cannot be worked with. What goes wrong with one host is told, and tried again on the next tick.
pub(super) fn recover(
    context: &Context,
    at_work: &BTreeSet<HostId>,
    stop: &Stop,
) -> Result<(), Error> {
    let running = RunFilter {
        status: Some(RunStatus::Running),
        ..RunFilter::default()
    };
    let now = clock::now();
    let own = process_name();
    let server = context.server_name()?;
    let unleased = unleased_runs(context, server.as_ref())?;
    let mut lost: Vec<RunRecord> = Vec::new();
    for record in context.store.runs(&running, u32::MAX)? {
        if record.server != server && record.server.is_some() {
            // What another server has left lies on its own root.
            continue;
        }
        if record.run.process == own {
            if !at_work.contains(&record.host) {
                settle_lost_run(context, &record, "its end could not be recorded")?;
            }
        } else if is_lost(&record, &unleased, now) {
            lost.push(record);
        }
    }
    if lost.is_empty() {
        return free_leases(context, server.as_ref());
    }
    let facts = context.own_facts_about(|_| false)?;
    let ids: BTreeSet<HostId> = lost.iter().map(|record| record.host).collect();
    for host in facts
        .state
        .hosts
        .iter()
        .filter(|host| ids.contains(&host.id))
    {
        match recover_host(context, &facts, host, stop) {
            Ok(()) => {
                tracing::warn!(host = %host.name, "a run had lost its process and is settled")
            }
            // Whoever has the lock may be the one that lost its lease: it stands still, and can do nothing when it goes on.
            Err(Error::Locked { holder, .. }) => {
                settle_lost_runs(context, host)?;
                tracing::warn!(host = %host.name, "a run has lost its process or its lease, and {holder} has the host");
            }
            Err(error) => {
                tracing::error!(host = %host.name, "a run has lost its process: {}", sentence(&error));
            }
        }
    }
    whole_after_all(context, &lost)?;
    free_leases(context, server.as_ref())
}

/// Gives back what killed processes of this machine had leased: nothing needs to wait until it expires.
fn free_leases(context: &Context, server: Option<&Label>) -> Result<(), Error> {
    for held in context.store.held_leases(server)? {
        if is_gone(&held.process) {
            context.store.release_lease(&held.lease)?;
        }
    }
    Ok(())
}

fn recover_host(
    context: &Context,
    facts: &super::super::Facts,
    host: &SqlHost,
    stop: &Stop,
) -> Result<(), Error> {
    let now = clock::now();
    let root = match open_root(context, facts, now) {
        Ok(root) => root,
        // Without its disk nothing of the run can be at work.
        Err(error) => {
            tracing::warn!(host = %host.name, "{}", sentence(&error));
            return settle_lost_runs(context, host);
        }
    };
    let Some(dir) = root.find_host_dir(&host.directory)? else {
        return settle_lost_runs(context, host);
    };
    let lock = grip_host(context, &dir, host, "recover", None, now)?;
    settle_lost_runs(context, host)?;
    // At a pace it may take hours, in which no other host would be begun: its own next run goes on with it.
    if host.settings.prune.max_per_second.is_none() {
        log_finished(&host.name, &finish_cut_off(context, host, &lock, stop)?);
    }
    // What was made visible right before the kill is whole, and its row does not know.
    let facts = context.own_facts_of(HostKey::Id(host.id))?;
    reconcile(context, &root, host.id, facts)?;
    lock.release()
}

/// A run that was killed between making its snapshot visible and saying so has done its work.
fn whole_after_all(context: &Context, lost: &[RunRecord]) -> Result<(), Error> {
    for record in lost {
        let Some(snapshot) = record.snapshot_id else {
            continue;
        };
        let filter = crate::store::SnapshotFilter {
            host: Some(record.host),
            ..crate::store::SnapshotFilter::default()
        };
        let is_whole =
            context.store.snapshots(&filter)?.iter().any(|s| {
                s.snapshot.id == snapshot && s.snapshot.status == SnapshotStatus::Complete
            });
        if is_whole {
            context.store.complete_interrupted(&RunEnd {
                run: record.run.id,
                status: RunStatus::Complete,
                at: clock::now(),
                message: "complete; its process was killed before it could say so".to_owned(),
                cause: None,
            })?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::super::configure::{HostEdit, configure_host};
    use super::super::super::{Context, Stop, clock, process_name};
    use super::recover;
    use crate::core::model::{HostId, RunId, RunKind, RunStatus};
    use crate::store::{NewRun, RunFilter};

    fn begun(context: &Context, host: HostId) -> RunId {
        let new = NewRun {
            host,
            kind: RunKind::Prune,
            started_at: clock::now(),
            process: process_name(),
            plan: None,
            log_path: None,
            lease: None,
        };
        context.store.begin_run(&new).unwrap()
    }

    fn status(context: &Context, run: RunId) -> RunStatus {
        let filter = RunFilter {
            run: Some(run),
            ..RunFilter::default()
        };
        context.store.runs(&filter, 1).unwrap()[0].run.status
    }

    #[test]
    fn the_prune_behind_a_backup_of_this_process_is_left_to_its_work() {
        let folder = tempfile::tempdir().unwrap();
        let path = camino::Utf8PathBuf::from_path_buf(folder.path().join("p.db")).unwrap();
        let context = Context::create(&path).unwrap();
        let edit = HostEdit {
            address: Some("192.0.2.7".parse().unwrap()),
            ..HostEdit::default()
        };
        let mut hosts = Vec::new();
        for name in ["web", "db"] {
            let name = name.parse().unwrap();
            configure_host(&context, &name, &edit).unwrap();
            let state = context.store.load_state().unwrap();
            hosts.push(state.host(&name).unwrap().id);
        }
        let (at_work, lost) = (begun(&context, hosts[0]), begun(&context, hosts[1]));
        recover(&context, &BTreeSet::from([hosts[0]]), &Stop::new()).unwrap();
        assert_eq!(status(&context, at_work), RunStatus::Running);
        assert_eq!(status(&context, lost), RunStatus::Interrupted);
    }
}
