use std::collections::BTreeSet;

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::config::samples;
use crate::config::table::{global_table, host_table};
use crate::core::model::{GlobalSettings, HostName, HostSettings};

fn file(path: &str, text: &str) -> LegacyFile {
    LegacyFile {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

fn read(global: &str, host: &str) -> Legacy {
    let hosts = [file("config/hosts/web-01.yaml", host)];
    read_legacy(Some(&file("config/global.yaml", global)), &hosts)
}

fn told(legacy: &Legacy, weight: Weight) -> Vec<String> {
    let notes = legacy.notes.iter().filter(|note| note.weight == weight);
    notes
        .map(|note| format!("{} {}", note.at, note.what))
        .collect()
}

fn host(legacy: &Legacy) -> &HostSettings {
    assert_eq!(told(legacy, Weight::Wrong), [] as [&str; 0]);
    &legacy.hosts[0].1
}

#[test]
fn a_fleet_as_people_had_it() {
    let legacy = read(
        "backup_root: /mnt/backups/pobsync\ntimezone: Europe/Amsterdam\nssh:\n  user: backup\n  port: 22\n  options: [-oBatchMode=yes]\n\
         excludes_default: [\"/proc/***\", '*.tmp']\nretention_defaults: {daily: 14, weekly: 8, monthly: 12, yearly: 0}\n\
         logging: {level: INFO}\n",
        "host: web-01\naddress: web-01.example.net\nssh: {port: 2222}\nsource_root: /\nincludes: []\n\
         excludes_add:\n  - /var/cache\nretention:\n  daily: 30\nschedule: {cron: \"15 2 * * *\", prune: yes}\n",
    );
    let host = host(&legacy);
    let wire = serde_json::to_value(host).unwrap();
    assert_eq!(wire["address"], "web-01.example.net");
    assert_eq!(wire["ssh"]["user"], "backup");
    assert_eq!(wire["ssh"]["port"], 2222);
    assert_eq!(wire["sources"], serde_json::json!(["/"]));
    assert_eq!(
        wire["excludes"],
        serde_json::json!([
            "/proc/*",
            "/sys/*",
            "/dev/*",
            "/run/*",
            "/proc/***",
            "*.tmp",
            "/var/cache"
        ])
    );
    assert_eq!(
        wire["retention"],
        serde_json::json!({"daily": 30, "weekly": 8, "monthly": 12, "kinds": ["scheduled"], "protect-bases": false,
                           "timezone": "Europe/Amsterdam", "incomplete-after": "2d"})
    );
    assert_eq!(
        wire["schedules"],
        serde_json::json!([{"cron": "15 2 * * *", "timezone": "Europe/Amsterdam", "jitter": "0s", "prune": true}])
    );
    let root = legacy.global.backup_root.as_ref().map(|root| root.as_str());
    assert_eq!(root, Some("/mnt/backups/pobsync"));
    assert_eq!(told(&legacy, Weight::Lost), [] as [&str; 0]);
    assert_eq!(
        told(&legacy, Weight::Told),
        [
            "config/global.yaml:6 the ssh option -oBatchMode=yes is seen to by every pull",
            "config/global.yaml:9 logging has no meaning here",
        ]
    );
}

#[rstest]
#[case(
    "colour: red",
    "config/hosts/web-01.yaml:2 colour is not known and was not carried over"
)]
#[case(
    "ssh:\n  options: [-oProxyCommand=x]",
    "config/hosts/web-01.yaml:3 the ssh option -oProxyCommand=x was not carried over"
)]
#[case(
    "rsync: {extra_args: [--fuzzy]}",
    "config/hosts/web-01.yaml:2 the rsync argument --fuzzy was not carried over"
)]
#[case(
    "source_root: /\nincludes: ['*.txt']",
    "config/hosts/web-01.yaml:3 the include *.txt was not carried over: whole sources are backed up"
)]
#[case(
    "retention: {daily: 0}",
    "config/hosts/web-01.yaml:1 the retention keeps nothing, which is refused here: everything is kept instead"
)]
#[case(
    "excludes: ['+ keep']",
    "config/hosts/web-01.yaml:2 + keep is not an exclude pattern: rsync takes this for another kind of rule than an exclude"
)]
#[case(
    "schedule: {prune: true}",
    "config/hosts/web-01.yaml:2 a schedule without a cron line was left out"
)]
fn what_is_not_carried_over_is_told_with_its_line(#[case] text: &str, #[case] want: &str) {
    let legacy = read("", &format!("address: a.example.net\n{text}"));
    host(&legacy);
    assert_eq!(told(&legacy, Weight::Lost), [want]);
}

#[rstest]
#[case("address: '-oProxyCommand=x'", 1)]
#[case("address: a\nport: 022", 2)]
#[case("address: a\nport: 70000", 2)]
#[case("address: a\nenabled: perhaps", 2)]
#[case("address: a\nssh:\n  user: Root", 3)]
#[case("address: a\nkey: relative", 2)]
#[case("address: a\nsources: [/etc, ../x]", 2)]
#[case("address: a\nretention: {daily: many}", 2)]
#[case("address: a\nretention: {daily: 1.5}", 2)]
#[case("address: a\nschedule: '61 2 * * *'", 2)]
#[case("address: a\ntimezone: Mars", 2)]
#[case("address: a\nhostname: b", 2)]
#[case("address: a\naddress: a", 2)]
#[case("address: {ip: a}", 1)]
#[case("- a\n- b", 1)]
#[case("address: [", 1)]
fn a_mistake_is_told_with_its_line_and_nothing_is_guessed(#[case] text: &str, #[case] line: u64) {
    let legacy = read("backup_root: /b", text);
    assert!(legacy.has_mistakes());
    let wrong = told(&legacy, Weight::Wrong);
    let at = format!("config/hosts/web-01.yaml:{line} ");
    assert!(wrong.iter().any(|note| note.starts_with(&at)), "{wrong:?}");
}

#[test]
fn all_mistakes_are_told_at_once() {
    let legacy = read("backup_root: /\nmax_concurrent: x", "port: x\ntimezone: y");
    assert_eq!(told(&legacy, Weight::Wrong).len(), 4);
    let twins = [
        file("h/Web.yaml", "a: b"),
        file("h/web.yml", ""),
        file("h/-x.yaml", ""),
    ];
    let legacy = read_legacy(None, &twins);
    assert_eq!(told(&legacy, Weight::Wrong).len(), 2);
}

#[rstest]
#[case("yes", true)]
#[case("No", false)]
#[case("ON", true)]
#[case("'off'", false)]
#[case("TRUE", true)]
fn truth_is_that_of_yaml_1_1(#[case] word: &str, #[case] want: bool) {
    assert_eq!(host(&read("", &format!("enabled: {word}"))).enabled, want);
    assert_eq!(host(&read("", &format!("disabled: {word}"))).enabled, !want);
}

#[rstest]
#[case("keep_daily: 7\nkeep_weekly: -1", "daily=7 weekly=unlimited")]
#[case("retention: 'daily=7 monthly=3'", "daily=7 monthly=3")]
#[case("retention: {keep: {days: 7, weeks: 2}}", "daily=7 weekly=2")]
#[case(
    "retention: {keep_last: 3, yearly: all, hourly: 0}",
    "last=3 yearly=unlimited"
)]
#[case("retention_daily: 7", "daily=7")]
fn retention_is_understood_however_it_was_put(#[case] text: &str, #[case] want: &str) {
    let legacy = read("", text);
    let policy = host(&legacy).retention.as_ref().unwrap();
    assert_eq!(policy.keep, want.parse().unwrap());
    assert_eq!(told(&legacy, Weight::Lost), [] as [&str; 0]);
}

#[test]
fn patterns_of_a_source_become_patterns_of_the_host() {
    let legacy = read("", "source_root: /srv/[a]\nexcludes: [/cache, '*.tmp']");
    let excludes = &host(&legacy).excludes;
    let own: Vec<&str> = excludes[4..]
        .iter()
        .map(|pattern| pattern.as_str())
        .collect();
    assert_eq!(own, ["/srv/\\[a]/cache", "*.tmp"]);
    assert_eq!(told(&legacy, Weight::Told).len(), 3);
}

#[test]
fn a_user_may_stand_before_the_address_and_plain_includes_are_sources() {
    let legacy = read("", "address: backup@10.0.0.7\nincludes: [/etc, /srv]");
    let host = host(&legacy);
    assert_eq!(host.ssh.user.literal().unwrap().as_str(), "backup");
    let sources: Vec<&str> = host.sources.iter().map(|path| path.as_str()).collect();
    assert_eq!(sources, ["/etc", "/srv"]);
}

/// What comes back is what was written, but for the settings that were told.
fn comes_back(global: &GlobalSettings, settings: &[HostSettings]) {
    let names: Vec<HostName> = (0..settings.len())
        .map(|i| format!("host-{i}").parse().unwrap())
        .collect();
    let hosts: Vec<(&HostName, &HostSettings)> = names.iter().zip(settings).collect();
    let written = write_legacy(global, &hosts);
    let is_global = |file: &LegacyFile| file.path == "config/global.yaml";
    let (head, rest): (Vec<_>, Vec<_>) = written.files.iter().cloned().partition(is_global);
    let legacy = read_legacy(head.first(), &rest);
    let bad: Vec<&LegacyNote> = legacy
        .notes
        .iter()
        .filter(|note| note.weight != Weight::Told)
        .collect();
    assert!(bad.is_empty(), "{bad:?}\n{rest:?}");
    let is_told: BTreeSet<(String, String)> = written
        .notes
        .iter()
        .map(|note| {
            (
                note.at.clone(),
                note.what.split(' ').next().unwrap().to_owned(),
            )
        })
        .collect();
    let mut differs: BTreeSet<(String, String)> = BTreeSet::new();
    for (a, b) in global_table(global)
        .iter()
        .zip(global_table(&legacy.global))
    {
        if *a != b {
            differs.insert(("global".to_owned(), a.path.to_owned()));
        }
    }
    for (name, settings) in hosts {
        let at = format!("host {name}");
        match legacy.hosts.iter().find(|(other, _)| other == name) {
            None => drop(differs.insert((at, "address".to_owned()))),
            Some((_, back)) => {
                for (a, b) in host_table(settings).iter().zip(host_table(back)) {
                    if *a != b {
                        differs.insert((at.clone(), a.path.to_owned()));
                    }
                }
            }
        }
    }
    assert_eq!(differs, is_told);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn settings_come_back_but_for_what_is_told(
        global in samples::global(),
        hosts in prop::collection::vec(samples::host(), 0..4),
    ) {
        comes_back(&global, &hosts);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "([a-z_]{1,9}: |- |  |\\n|[\\[\\]{}&*!|>'\"%@`#,?:-]|[0-9a-zé]){0,60}") {
        let _ = read(&text, &text);
    }
}
