//! The settings of one host, out of what its file and `global.yaml` say.

use std::collections::BTreeSet;

use super::notes::{Notes, Weight};
use super::part::Part;
use crate::core::model::{
    Address, BUILT_IN_EXCLUDES, ExcludePattern, HostSettings, Keep, Policy, Schedule, SourcePath,
    Value,
};

/// Makes the settings of a host at `address`.
pub(super) fn settings(part: Part, address: Address, notes: &mut Notes<'_>) -> HostSettings {
    let mut settings = HostSettings::at(Value::Literal(address));
    let ssh = &mut settings.ssh;
    if let Some(user) = part.user.clone() {
        ssh.user = Value::Literal(user);
    }
    ssh.port = part.port.unwrap_or(ssh.port);
    ssh.identity = part.identity.clone().map(Value::Literal);
    ssh.known_hosts = part.known_hosts.clone().map(Value::Literal);
    ssh.proxy_jump = part.proxy_jump.clone().map(Value::Literal);
    let rsync = &mut settings.rsync;
    rsync.rsync_path.clone_from(&part.rsync_path);
    rsync.one_file_system = part.one_file_system.unwrap_or(rsync.one_file_system);
    rsync.bwlimit = part.bwlimit.flatten();
    rsync.timeout = part.timeout.unwrap_or(rsync.timeout);
    settings.enabled = part.enabled.unwrap_or(true);
    settings.timezone = part.timezone.unwrap_or(settings.timezone);
    settings.sources = sources(&part, notes);
    settings.excludes = excludes(&part, notes);
    settings.retention = policy(&part, notes).map(|policy| Policy {
        timezone: settings.timezone,
        ..policy
    });
    settings.schedules = part
        .schedules
        .unwrap_or_default()
        .into_iter()
        .map(|(cron, prune)| Schedule {
            name: None,
            cron,
            timezone: settings.timezone,
            jitter: crate::core::model::Span::from_seconds(0),
            prune,
        })
        .collect();
    settings
}

fn sources(part: &Part, notes: &mut Notes<'_>) -> Vec<SourcePath> {
    let lost = |notes: &mut Notes<'_>| {
        for (include, line) in part.includes.iter().flatten() {
            let what =
                format!("the include {include} was not carried over: whole sources are backed up");
            notes.push(Weight::Lost, *line, what);
        }
    };
    if let Some(sources) = &part.sources {
        lost(notes);
        return once_each(sources.iter().cloned());
    }
    if let Some(root) = &part.source_root {
        lost(notes);
        if root.as_str() != "/" {
            let what = format!(
                "older snapshots hold {root} without its path: the next backup copies all of it once"
            );
            notes.push(Weight::Told, 1, what);
        }
        return vec![root.clone()];
    }
    let includes = part.includes.iter().flatten();
    let paths: Option<Vec<SourcePath>> = includes
        .map(|(text, _)| {
            text.parse()
                .ok()
                .filter(|_| !text.contains(['*', '?', '[']))
        })
        .collect();
    match paths.filter(|paths| !paths.is_empty()) {
        Some(paths) => {
            let line = part
                .includes
                .iter()
                .flatten()
                .next()
                .map_or(1, |(_, line)| *line);
            notes.push(
                Weight::Told,
                line,
                "the includes are taken for all that is backed up",
            );
            once_each(paths.into_iter())
        }
        None => {
            lost(notes);
            "/".parse().into_iter().collect()
        }
    }
}

fn excludes(part: &Part, notes: &mut Notes<'_>) -> Vec<ExcludePattern> {
    let built_in = BUILT_IN_EXCLUDES
        .into_iter()
        .filter_map(|pattern| pattern.parse().ok());
    let said: Vec<ExcludePattern> = match &part.only_excludes {
        Some(only) => only.iter().chain(&part.excludes).cloned().collect(),
        None => part.excludes.clone(),
    };
    let root = part
        .source_root
        .as_ref()
        .map(SourcePath::as_str)
        .filter(|root| *root != "/" && part.sources.is_none());
    let said: Vec<ExcludePattern> = match root {
        // There a leading slash was the source, here it is the root of the host.
        Some(root) => said
            .into_iter()
            .filter_map(|pattern| {
                let text = pattern.as_str();
                let moved = text
                    .starts_with('/')
                    .then(|| format!("{}{text}", escaped(root)));
                match moved.map(|text| text.parse::<ExcludePattern>()) {
                    None => Some(pattern),
                    Some(Ok(moved)) => Some(moved),
                    Some(Err(error)) => {
                        notes.push(Weight::Lost, 1, error.to_string());
                        None
                    }
                }
            })
            .collect(),
        None => said,
    };
    if part.only_excludes.is_some() {
        once_each(said.into_iter())
    } else {
        once_each(built_in.chain(said))
    }
}

/// A path as a pattern that means just it.
fn escaped(path: &str) -> String {
    let mut text = String::new();
    for c in path.chars() {
        if matches!(c, '*' | '?' | '[' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

fn policy(part: &Part, notes: &mut Notes<'_>) -> Option<Policy> {
    let mut keep = Keep::default();
    for (rule, count) in &part.rules {
        *keep.count_mut(*rule) = *count;
    }
    if keep.is_empty() {
        if !part.rules.is_empty() {
            let what =
                "the retention keeps nothing, which is refused here: everything is kept instead";
            notes.push(Weight::Lost, 1, what);
        }
        return None;
    }
    let mut policy = Policy::of(keep);
    policy.protect_bases = part.protect_bases.unwrap_or(policy.protect_bases);
    policy.kinds = part.kinds.unwrap_or(policy.kinds);
    Some(policy)
}

fn once_each<T: Clone + Ord>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    items.filter(|item| seen.insert(item.clone())).collect()
}
