//! Figures for monitoring: from the newest of what happened to each host, and never from every snapshot.

use std::collections::BTreeMap;

use super::{Context, Error, ServerStatus, VERSION};
use crate::core::health::Standing;
use crate::core::model::{RunStatus, Timestamp};
use crate::render::Exposition;
use crate::store::{HostReading, RunFilter};

/// More backups than can run at once.
const RUNNING: u32 = 10_000;

/// The figures of the whole service as Prometheus reads them.
///
/// # Errors
/// When the database cannot be read.
pub fn metrics(context: &Context) -> Result<String, Error> {
    let now = super::clock::now();
    let mut hosts = context.store.readings()?;
    let all = hosts.len();
    // One name may have been given twice: only one of the hosts can still be active.
    hosts.retain(|host| host.judgement.at(now).standing != Standing::Retired);
    let mut out = Exposition::default();
    out.gauge(
        "pobsync_build_info",
        "The program that answers",
        [(vec![("version", VERSION)], 1.0)],
    );
    of_hosts(&mut out, &hosts, now);
    of_verification(&mut out, context, &hosts, now)?;
    of_queue(&mut out, context, now)?;
    let serial = context.store.serial()?;
    of_configuration(&mut out, context, all - hosts.len(), serial.0)?;
    Ok(out.text())
}

fn of_hosts(out: &mut Exposition, hosts: &[HostReading], now: Timestamp) {
    let mut each = |name: &str, help: &str, value: &dyn Fn(&HostReading) -> Option<f64>| {
        let samples = hosts
            .iter()
            .filter_map(|host| Some((vec![("host", host.name.as_str())], value(host)?)));
        out.gauge(name, help, samples);
    };
    each(
        "pobsync_host_severity",
        "How much the worst of what is wrong with the host matters: 0 nothing, 1 warning, 2 critical",
        &|host| Some(f64::from(host.judgement.at(now).severity() as u8)),
    );
    each(
        "pobsync_host_last_success_timestamp_seconds",
        "When the newest complete snapshot began",
        &|host| host.newest.map(seconds),
    );
    each(
        "pobsync_host_last_success_age_seconds",
        "How long ago that was",
        &|host| host.newest.map(|newest| span(newest, now)),
    );
    each(
        "pobsync_host_last_backup_duration_seconds",
        "How long the last backup took that has ended",
        &|host| {
            let last = host.last_backup.as_ref()?;
            Some(span(last.started_at, last.finished_at?))
        },
    );
    each(
        "pobsync_host_last_backup_ok",
        "1 if that was complete, else 0",
        &|host| {
            let last = host.last_backup.as_ref()?;
            Some(f64::from(last.is_complete))
        },
    );
    each(
        "pobsync_host_failures",
        "Backups since the last complete one that ended otherwise",
        &|host| Some(amount(host.figures.failures)),
    );
    each(
        "pobsync_host_last_snapshot_bytes",
        "Bytes of all files of the newest complete snapshot, shared ones included",
        &|host| host.figures.bytes.map(amount),
    );
    each(
        "pobsync_host_last_snapshot_transferred_bytes",
        "Bytes that the newest complete snapshot brought over the wire",
        &|host| host.figures.bytes_transferred.map(amount),
    );
    each(
        "pobsync_host_last_snapshot_files",
        "Files of the newest complete snapshot",
        &|host| host.figures.files.map(amount),
    );
    each("pobsync_host_snapshots", "Complete snapshots", &|host| {
        Some(amount(host.snapshots))
    });
    out.gauge(
        "pobsync_host_state",
        "The state of the host, 1 for the one it is in",
        hosts.iter().map(|host| {
            let state = host.judgement.at(now).standing.as_str();
            (vec![("host", host.name.as_str()), ("state", state)], 1.0)
        }),
    );
}

fn of_verification(
    out: &mut Exposition,
    context: &Context,
    hosts: &[HostReading],
    now: Timestamp,
) -> Result<(), Error> {
    let inspected = context.store.inspected()?;
    let known = || {
        hosts
            .iter()
            .filter_map(|host| Some((host.name.as_str(), inspected.get(&host.host)?)))
    };
    out.gauge(
        "pobsync_host_last_verify_age_seconds",
        "How long ago all snapshots of the host were last compared with their manifests",
        known().filter_map(|(name, found)| {
            Some((vec![("host", name)], span(found.verified_at?, now)))
        }),
    );
    out.gauge(
        "pobsync_host_damaged_files",
        "Damaged files that are known, each counted in every snapshot that has it",
        known().map(|(name, found)| (vec![("host", name)], amount(found.damaged_files))),
    );
    Ok(())
}

fn of_queue(out: &mut Exposition, context: &Context, now: Timestamp) -> Result<(), Error> {
    let running = RunFilter {
        status: Some(RunStatus::Running),
        ..RunFilter::default()
    };
    let mut kinds = BTreeMap::from([("backup", 0_u64)]);
    for record in context.store.runs(&running, RUNNING)? {
        *kinds.entry(record.run.kind.as_str()).or_default() += 1;
    }
    out.gauge(
        "pobsync_runs_running",
        "Runs at work",
        kinds
            .iter()
            .map(|(kind, n)| (vec![("kind", *kind)], amount(*n))),
    );
    out.one(
        "pobsync_backups_due",
        "Hosts whose backup should have begun and has not",
        amount(super::scheduler::waiting(context, now)? as u64),
    );
    if let Some(at) = context.store.sign_of_life()? {
        out.one(
            "pobsync_scheduler_last_seen_timestamp_seconds",
            "The last sign of life of a scheduler",
            seconds(at),
        );
    }
    let servers = super::servers(context)?;
    if !servers.is_empty() {
        out.gauge(
            "pobsync_server_last_seen_timestamp_seconds",
            "The last sign of life of the scheduler of a server, by the clock of the database",
            servers
                .iter()
                .filter_map(|one| Some((named(one), seconds(one.last_seen?)))),
        );
        out.gauge(
            "pobsync_server_hosts",
            "Hosts that belong to a server",
            servers
                .iter()
                .map(|one| (named(one), amount(one.hosts as u64))),
        );
        out.gauge(
            "pobsync_server_runs_running",
            "Runs at work on a server",
            servers
                .iter()
                .map(|one| (named(one), amount(one.running as u64))),
        );
    }
    let backlog = context.store.backlog()?;
    out.one(
        "pobsync_notifications_waiting",
        "News that has not reached its receivers yet",
        amount(backlog.waiting as u64),
    );
    out.one(
        "pobsync_notifications_given_up",
        "News that was given up",
        amount(backlog.given_up as u64),
    );
    Ok(())
}

fn named(one: &ServerStatus) -> Vec<(&'static str, &str)> {
    vec![("server", one.server.as_str())]
}

fn of_configuration(
    out: &mut Exposition,
    context: &Context,
    retired: usize,
    serial: i64,
) -> Result<(), Error> {
    out.one(
        "pobsync_hosts_retired",
        "Hosts that have left and of which snapshots may remain",
        amount(retired as u64),
    );
    out.one(
        "pobsync_configuration_serial",
        "How many configuration changes there were",
        serial as f64,
    );
    if let Some(plan) = context.store.plans(1)?.first() {
        out.gauge(
            "pobsync_last_plan_timestamp_seconds",
            "When the last plan was carried out",
            [(vec![("kind", plan.kind.as_str())], seconds(plan.created_at))],
        );
        out.gauge(
            "pobsync_last_plan_deletions",
            "Snapshots that it listed for deletion",
            [(vec![("kind", plan.kind.as_str())], amount(plan.deletions))],
        );
    }
    Ok(())
}

fn seconds(at: Timestamp) -> f64 {
    at.millis() as f64 / 1000.0
}

fn span(from: Timestamp, to: Timestamp) -> f64 {
    to.millis().saturating_sub(from.millis()) as f64 / 1000.0
}

/// Whole up to nine thousand million million.
fn amount(n: u64) -> f64 {
    n as f64
}
