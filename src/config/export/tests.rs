use proptest::prelude::*;

use super::*;
use crate::config::table::tests::{full_global, full_host};
use crate::config::{load_text, samples};
use crate::core::desired::DesiredState;

fn state(text: &str) -> DesiredState {
    let loaded = load_text("pobsync.kdl", text.to_owned());
    loaded
        .state
        .unwrap_or_else(|| panic!("{}\n{text}", loaded.report.text(false, 100)))
}

fn names(count: usize) -> Vec<HostName> {
    (0..count)
        .map(|i| format!("host-{i:02}").parse().unwrap())
        .collect()
}

/// What was written asks for just what it was written from.
fn comes_back(global: &GlobalSettings, settings: &[HostSettings], removed: &[HostName]) -> String {
    let names = names(settings.len());
    let global = &samples::with_server(global.clone());
    let content = Content {
        global: Some(global),
        hosts: names.iter().zip(settings).collect(),
        removed: removed.iter().collect(),
    };
    let text = export(&content).one_file();
    assert_eq!(crate::config::layout::format(0, &text).as_ref(), Ok(&text));
    let state = state(&text);
    assert_eq!(state.global, *global, "{text}");
    let hosts: Vec<(&HostName, &HostSettings)> = state
        .hosts
        .iter()
        .map(|host| (&host.name, &host.settings))
        .collect();
    for (back, wanted) in hosts.iter().zip(&content.hosts) {
        assert_eq!(back, wanted, "{text}");
    }
    assert_eq!(hosts.len(), settings.len());
    let gone: Vec<&HostName> = state.removed.iter().map(|removed| &removed.name).collect();
    assert_eq!(gone, content.removed);
    assert_eq!(export(&content).one_file(), text);
    text
}

#[test]
fn every_setting_comes_back() {
    comes_back(&full_global(), &[full_host()], &["gone".parse().unwrap()]);
    comes_back(
        &full_global(),
        &[full_host(), full_host(), full_host()],
        &[],
    );
    comes_back(&GlobalSettings::default(), &[], &[]);
}

#[test]
fn each_value_of_each_setting_comes_back_alone_and_in_company() {
    let plain = samples::with_zone(HostSettings {
        sources: vec!["/etc".parse().unwrap()],
        retention: Some(crate::core::model::Policy::of("last=1".parse().unwrap())),
        ..HostSettings::at(
            "local"
                .parse()
                .map(crate::core::model::Value::Literal)
                .unwrap(),
        )
    });
    let wire = serde_json::to_value(&plain).unwrap();
    for setting in table::host_table(&plain) {
        if matches!(setting.form, Form::Follows(_)) {
            continue;
        }
        for value in samples::values(setting.path) {
            let other = samples::with(&wire, setting.path, &value);
            let other = samples::with_zone(serde_json::from_value(other).unwrap());
            comes_back(
                &GlobalSettings::default(),
                &[other.clone(), other, plain.clone()],
                &[],
            );
        }
    }
}

/// A fleet as people have it reads as they would have written it.
#[test]
fn what_is_shared_stands_once() {
    let host = |group: &str, address: &str, daily: u32| -> HostSettings {
        serde_json::from_value(serde_json::json!({
            "address": address, "enabled": true, "protect": address == "db-1.example.net", "groups": [group],
            "ssh": {"user": "backup", "port": 22, "identity": "/etc/pobsync/id_ed25519"},
            "rsync": {"xattrs": true, "acls": true, "one-file-system": false, "specials": false, "timeout": "10m",
                      "deadline": "24h", "incremental": "auto"},
            "sources": if group == "web" { vec!["/etc", "/var/www"] } else { vec!["/etc", "/var/lib/dumps"] },
            "excludes": ["/proc/*", "/sys/*", "/dev/*", "/run/*", "*.tmp", format!("/{address}")],
            "retention": {"daily": daily, "weekly": 8, "kinds": ["scheduled"], "protect-bases": false,
                          "timezone": "Europe/Amsterdam", "incomplete-after": "2d"},
            "schedules": [{"name": "nightly", "cron": "15 2 * * *", "timezone": "Europe/Amsterdam", "jitter": "20m",
                           "prune": group == "web"}],
            "timezone": "Europe/Amsterdam", "accept-partial": false, "suspect-percent": 50,
            "hooks": {"remote-before": if group == "db" { vec!["dump"] } else { vec![] }}
        }))
        .unwrap()
    };
    let text = comes_back(
        &full_global(),
        &[
            host("web", "web-1.example.net", 14),
            host("web", "web-2.example.net", 14),
            host("web", "web-3.example.net", 30),
            host("db", "db-1.example.net", 60),
            host("db", "db-2.example.net", 60),
        ],
        &["old".parse().unwrap(), "older".parse().unwrap()],
    );
    insta::assert_snapshot!(text);
}

#[test]
fn parts_hold_every_host_and_stay_small() {
    let settings = full_host();
    let names = names(20);
    let content = Content {
        hosts: names.iter().map(|name| (name, &settings)).collect(),
        ..Content::default()
    };
    let exported = export(&content);
    let whole = exported.one_file();
    let bytes = exported.hosts.iter().map(String::len).sum::<usize>() / 3;
    let parts = exported.parts(bytes);
    assert!(parts.len() > 2 && parts.iter().all(|part| part.len() <= bytes));
    let joined = format!("{}\n{}", exported.head, parts.join("\n"));
    assert_eq!(joined, whole);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_fleet_comes_back(
        global in samples::global(),
        hosts in prop::collection::vec(samples::host(), 0..6),
        twins in 0..3_usize,
    ) {
        let mut hosts = hosts;
        for i in 0..twins.min(hosts.len()) {
            hosts.push(hosts[i].clone());
        }
        comes_back(&global, &hosts, &[]);
    }
}
