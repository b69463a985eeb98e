//! Every setting there is, by the path that a diff names, and how a file says it.
//!
//! The settings are taken apart here field by field without `..`: one that is added to them does not compile until its
//! form is written down, and with that export writes it and edits find it.

use serde::Serialize;
use serde_json::Value;

use crate::core::model::{
    GlobalSettings, Guard, Hooks, HostSettings, Keep, Limits, Notify, Policy, PruneSettings,
    RsyncSettings, Schedule, ServerSettings, SmtpSettings, SshSettings, VerifySettings,
};

/// How a file says a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One value behind the nodes that the path names: `ssh { port 22 }` is `ssh.port`.
    Word,
    /// The same, with a number of bytes.
    Size,
    /// A property of `keep` in `retention`.
    Rule,
    /// The values of one node in `retention`, which do not add up.
    Kinds,
    /// Values that add up over `global`, groups and host: the nodes called so.
    List(&'static str),
    /// Names of groups.
    Groups,
    /// `schedule` nodes.
    Schedules,
    /// `notify` nodes.
    Notify,
    /// `server` nodes at the top.
    Servers,
    /// Written nowhere by itself: it is what the setting of that path is.
    Follows(&'static str),
}

/// One setting with its value, `null` where it is absent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Setting {
    pub(super) path: &'static str,
    pub(super) form: Form,
    pub(super) value: Value,
}

fn setting(path: &'static str, form: Form, value: &impl Serialize) -> Setting {
    Setting {
        path,
        form,
        value: serde_json::to_value(value).unwrap_or_default(),
    }
}

/// Every setting of a host, in the order in which a file says them.
pub(super) fn host_table(settings: &HostSettings) -> Vec<Setting> {
    let HostSettings {
        address,
        enabled,
        protect,
        groups,
        server,
        ssh,
        rsync,
        sources,
        excludes,
        retention,
        schedules,
        timezone,
        hooks,
        accept_partial,
        suspect_percent,
        stale_after,
        verify,
        limits,
        prune,
    } = settings;
    let PruneSettings { max_per_second } = prune;
    let Limits {
        max_size,
        max_files,
        quota,
    } = limits;
    let VerifySettings { every, sample } = verify;
    let SshSettings {
        user,
        port,
        identity,
        known_hosts,
        proxy_jump,
    } = ssh;
    let RsyncSettings {
        rsync_path,
        xattrs,
        acls,
        one_file_system,
        specials,
        fake_super,
        secluded_args,
        bwlimit,
        timeout,
        deadline,
        incremental,
    } = rsync;
    let Hooks {
        before,
        after,
        remote_before,
        remote_after,
        timeout: hook_timeout,
    } = hooks;
    let word = Form::Word;
    let mut table = vec![
        setting("groups", Form::Groups, groups),
        setting("address", word, address),
        setting("server", word, server),
        setting("enabled", word, enabled),
        setting("protect", word, protect),
        setting("timezone", word, timezone),
        setting("ssh.user", word, user),
        setting("ssh.port", word, port),
        setting("ssh.identity", word, identity),
        setting("ssh.known-hosts", word, known_hosts),
        setting("ssh.proxy-jump", word, proxy_jump),
        setting("rsync.rsync-path", word, rsync_path),
        setting("rsync.xattrs", word, xattrs),
        setting("rsync.acls", word, acls),
        setting("rsync.one-file-system", word, one_file_system),
        setting("rsync.specials", word, specials),
        setting("rsync.fake-super", word, fake_super),
        setting("rsync.secluded-args", word, secluded_args),
        setting("rsync.bwlimit", Form::Size, bwlimit),
        setting("rsync.timeout", word, timeout),
        setting("rsync.deadline", word, deadline),
        setting("rsync.incremental", word, incremental),
        setting("sources", Form::List("source"), sources),
        setting("excludes", Form::List("exclude"), excludes),
    ];
    table.extend(policy_table(retention.as_ref()));
    table.extend([
        setting("schedules", Form::Schedules, schedules),
        setting("hooks.before", Form::List("before"), before),
        setting("hooks.after", Form::List("after"), after),
        setting(
            "hooks.remote-before",
            Form::List("remote-before"),
            remote_before,
        ),
        setting(
            "hooks.remote-after",
            Form::List("remote-after"),
            remote_after,
        ),
        setting("hooks.timeout", word, hook_timeout),
        setting("suspect-percent", word, suspect_percent),
        setting("stale-after", word, stale_after),
        setting("verify.every", word, every),
        setting("verify.sample", word, sample),
        setting("limits.max-size", Form::Size, max_size),
        setting("limits.max-files", word, max_files),
        setting("limits.quota", Form::Size, quota),
        setting("prune.max-per-second", word, max_per_second),
        setting("accept-partial", word, accept_partial),
    ]);
    table
}

/// Every setting of a policy; all are absent without one.
pub(super) fn policy_table(policy: Option<&Policy>) -> Vec<Setting> {
    let Some(policy) = policy else {
        let mut absent = policy_table(Some(&Policy::of(Keep::default())));
        absent
            .iter_mut()
            .for_each(|setting| setting.value = Value::Null);
        return absent;
    };
    let Policy {
        keep,
        protect_bases,
        kinds,
        timezone,
        incomplete_after,
    } = policy;
    let Keep {
        last,
        hourly,
        daily,
        weekly,
        monthly,
        quarterly,
        yearly,
        within,
        within_hourly,
        within_daily,
        within_weekly,
        within_monthly,
        within_quarterly,
        within_yearly,
    } = keep;
    let rule = Form::Rule;
    vec![
        setting("retention.last", rule, last),
        setting("retention.hourly", rule, hourly),
        setting("retention.daily", rule, daily),
        setting("retention.weekly", rule, weekly),
        setting("retention.monthly", rule, monthly),
        setting("retention.quarterly", rule, quarterly),
        setting("retention.yearly", rule, yearly),
        setting("retention.within", rule, within),
        setting("retention.within-hourly", rule, within_hourly),
        setting("retention.within-daily", rule, within_daily),
        setting("retention.within-weekly", rule, within_weekly),
        setting("retention.within-monthly", rule, within_monthly),
        setting("retention.within-quarterly", rule, within_quarterly),
        setting("retention.within-yearly", rule, within_yearly),
        setting("retention.protect-bases", Form::Word, protect_bases),
        setting("retention.kinds", Form::Kinds, kinds),
        setting("retention.incomplete-after", Form::Word, incomplete_after),
        setting("retention.timezone", Form::Follows("timezone"), timezone),
    ]
}

/// Every setting of the whole service.
pub(super) fn global_table(settings: &GlobalSettings) -> Vec<Setting> {
    let GlobalSettings {
        backup_root,
        max_concurrent,
        guard,
        notify,
        smtp,
        servers,
    } = settings;
    let absent = SmtpSettings::default();
    let SmtpSettings {
        host,
        port,
        tls,
        from,
        user,
        password,
    } = smtp.as_ref().unwrap_or(&absent);
    let Guard {
        max_delete,
        max_delete_percent,
        max_retire_percent,
        max_fleet_delete_percent,
        min_free,
    } = guard;
    let word = Form::Word;
    vec![
        setting("backup-root", word, backup_root),
        setting("max-concurrent", word, max_concurrent),
        setting("guard.max-delete", word, max_delete),
        setting("guard.max-delete-percent", word, max_delete_percent),
        setting("guard.max-retire-percent", word, max_retire_percent),
        setting(
            "guard.max-fleet-delete-percent",
            word,
            max_fleet_delete_percent,
        ),
        setting("guard.min-free", word, min_free),
        setting("smtp.host", word, host),
        setting("smtp.port", word, port),
        setting("smtp.tls", word, tls),
        setting("smtp.from", word, from),
        setting("smtp.user", word, user),
        setting("smtp.password", word, password),
        setting("notify", Form::Notify, notify),
        setting("servers", Form::Servers, servers),
    ]
}

/// The parts of a schedule that a `schedule` node says as properties; each is said only where it is not `than`'s.
pub(super) fn schedule_table(
    schedule: &Schedule,
    than: Option<&Schedule>,
) -> Vec<(&'static str, Value)> {
    let parts = |schedule: &Schedule| {
        // The zone is that of the host, and the name stands for itself.
        let Schedule {
            name: _,
            cron,
            timezone: _,
            jitter,
            prune,
        } = schedule;
        [
            ("cron", Value::from(cron.as_str())),
            ("jitter", Value::from(jitter.to_string())),
            ("prune", Value::from(*prune)),
        ]
    };
    let others = match than {
        Some(other) => parts(other),
        None => [
            ("cron", Value::Null),
            ("jitter", Value::from("0s")),
            ("prune", Value::from(false)),
        ],
    };
    parts(schedule)
        .into_iter()
        .zip(others)
        .filter(|(own, other)| own != other)
        .map(|(own, _)| own)
        .collect()
}

/// A `server` node: its name, and what stands in its block.
pub(super) fn server_parts(server: &ServerSettings) -> (String, Vec<(&'static str, Value)>) {
    let ServerSettings {
        name,
        backup_root,
        max_concurrent,
    } = server;
    let root = backup_root.as_ref().map(|path| Value::from(path.as_str()));
    let most = max_concurrent.map(Value::from);
    let parts = [("backup-root", root), ("max-concurrent", most)];
    let parts = parts
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    (name.to_string(), parts.collect())
}

/// A `notify` node: its name, its events, and what stands in its block.
pub(super) fn notify_parts(notify: &Notify) -> (String, String, Vec<(String, Value)>) {
    let Notify { name, on, targets } = notify;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let json = |value: &dyn Fn() -> serde_json::Result<Value>| value().unwrap_or_default();
    let events: Vec<String> = on
        .iter()
        .map(|event| text(&json(&|| serde_json::to_value(event))))
        .collect();
    let targets = targets
        .iter()
        .filter_map(|target| {
            let wire = json(&|| serde_json::to_value(target));
            let (kind, value) = wire.as_object()?.iter().next()?;
            Some((kind.clone(), value.clone()))
        })
        .collect();
    (name.to_string(), events.join(","), targets)
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::{global_table, host_table};
    use crate::core::diff::changed_fields;
    use crate::core::model::{GlobalSettings, HostSettings};

    /// A host with every setting set, none as built in.
    pub(in crate::config) fn full_host() -> HostSettings {
        serde_json::from_value(json!({
            "address": {"env": "WEB_ADDRESS"}, "enabled": false, "protect": true, "groups": ["web", "eu"], "server": "backup-01",
            "ssh": {"user": "backup", "port": 2222, "identity": {"file": "/run/credentials/id"}, "known-hosts": "/etc/known hosts",
                    "proxy-jump": "ops@jump.example.net:22"},
            "rsync": {"rsync-path": "/opt/rsync \"3\"", "xattrs": false, "acls": false, "one-file-system": true, "specials": true, "fake-super": true,
                      "secluded-args": false, "bwlimit": 20_971_521, "timeout": "9m", "deadline": "25h", "incremental": "link-dest"},
            "sources": ["/etc", "/srv/\\{}; // \"é\" \u{202e}x"],
            "excludes": ["/proc/*", "/sys/*", "/dev/*", "/run/*", "*.tmp", "#true", "\\*"],
            "retention": {"last": 3, "hourly": 24, "daily": 14, "weekly": 8, "monthly": 12, "quarterly": 4, "yearly": "unlimited",
                          "within": "30d", "within-hourly": "2d", "within-daily": "1m", "within-weekly": "3m", "within-monthly": "1y",
                          "within-quarterly": "2y", "within-yearly": "1y2m3d4h", "protect-bases": true, "kinds": ["scheduled", "manual"],
                          "timezone": "Europe/Amsterdam", "incomplete-after": "3d"},
            "schedules": [
                {"name": "nightly", "cron": "15 2 * * *", "timezone": "Europe/Amsterdam", "jitter": "20m", "prune": true},
                {"cron": "@hourly", "timezone": "Europe/Amsterdam", "jitter": "0s", "prune": false}],
            "timezone": "Europe/Amsterdam",
            "hooks": {"before": ["a", "b"], "after": ["c"], "remote-before": ["d"], "remote-after": ["e"], "timeout": "2h"},
            "accept-partial": true, "suspect-percent": 70, "stale-after": "36h",
            "verify": {"every": "30d", "sample": 5},
            "limits": {"max-size": 536_870_912_000_u64, "max-files": 2_000_000, "quota": 1_099_511_627_776_u64},
            "prune": {"max-per-second": 2000}
        }))
        .unwrap()
    }

    pub(in crate::config) fn full_global() -> GlobalSettings {
        serde_json::from_value(json!({
            "backup-root": "/mnt/backups", "max-concurrent": 7,
            "guard": {"max-delete": 1, "max-delete-percent": 2, "max-retire-percent": 3, "max-fleet-delete-percent": 4, "min-free": 6},
            "smtp": {"host": "mail.example.net", "port": 2525, "tls": "starttls", "from": "pobsync@example.net", "user": "pobsync",
                     "password": {"file": "/run/credentials/smtp"}},
            "notify": [
                {"name": "ops", "on": ["failure", "success"], "targets": [{"webhook": {"env": "HOOK"}}, {"email": "a\"b@example.net"}]},
                {"name": "pager", "on": ["stale"], "targets": [{"ping": {"file": "/run/ping"}}, {"command": "page"}]}],
            "servers": [{"name": "backup-01", "backup-root": "/mnt/one \"é\"", "max-concurrent": 9}]
        }))
        .unwrap()
    }

    #[test]
    fn people_are_shown_a_size_where_a_file_says_one() {
        let table = host_table(&full_host());
        let sizes = table.iter().filter(|s| s.form == super::Form::Size);
        let paths: BTreeSet<&str> = sizes.map(|s| s.path).collect();
        assert_eq!(paths, crate::core::model::SIZES.into_iter().collect());
    }

    #[test]
    fn the_table_has_every_path_that_a_diff_can_name() {
        let paths = |fields: Vec<crate::core::diff::FieldChange>| {
            fields.into_iter().map(|f| f.path).collect::<BTreeSet<_>>()
        };
        let of = |table: Vec<super::Setting>| {
            table
                .into_iter()
                .map(|s| s.path.to_owned())
                .collect::<BTreeSet<_>>()
        };
        let host = full_host();
        assert_eq!(
            of(host_table(&host)),
            paths(changed_fields(None, Some(&host)))
        );
        let global = full_global();
        assert_eq!(
            of(global_table(&global)),
            paths(changed_fields(None, Some(&global)))
        );
    }
}
