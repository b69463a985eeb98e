use camino::Utf8PathBuf;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::faithful::is_empty;
use super::*;
use crate::config::export::{Content, export};
use crate::config::lexer::Token;
use crate::config::table::{Form, global_table, host_table};
use crate::config::{load, samples};
use crate::core::desired::DesiredState;
use crate::core::diff::changed_fields;
use crate::core::model::Policy;

struct Folder(tempfile::TempDir);

impl Folder {
    fn of(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            let path = folder.0.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn path(&self) -> Utf8PathBuf {
        let folder = self.0.path().canonicalize().unwrap();
        Utf8PathBuf::from_path_buf(folder)
            .unwrap()
            .join("pobsync.kdl")
    }

    fn state(&self) -> DesiredState {
        let loaded = load(&self.path());
        loaded
            .state
            .unwrap_or_else(|| panic!("{}", loaded.report.text(false, 100)))
    }

    /// Sets fields of one host, or of `global`, as a person would ask for it.
    fn edit(&self, object: &str, fields: &[(&str, Value)]) -> Result<Edited, EditError> {
        let state = self.state();
        let set = |mut value: Value| {
            for (path, new) in fields {
                value = samples::with(&value, path, new);
            }
            if value.get("retention").is_some_and(is_empty) {
                value.as_object_mut().unwrap().remove("retention");
            }
            value
        };
        let wanted = if object == "global" {
            let value = set(serde_json::to_value(&state.global).unwrap());
            Wanted::Global(Box::new(serde_json::from_value(value).unwrap()))
        } else {
            let host = state.hosts.iter().find(|host| host.name.as_str() == object);
            let value = set(serde_json::to_value(&host.unwrap().settings).unwrap());
            let settings: HostSettings = serde_json::from_value(value).unwrap();
            Wanted::Host(
                object.parse().unwrap(),
                Box::new(samples::with_zone(settings)),
            )
        };
        edit(&self.path(), &[wanted])
    }
}

fn after(text: &str, object: &str, fields: &[(&str, Value)]) -> String {
    let folder = Folder::of(&[("pobsync.kdl", text)]);
    let edited = folder
        .edit(object, fields)
        .unwrap_or_else(|error| panic!("{error}: {error:?}"));
    assert_eq!(edited.refused, [], "{text}");
    edited
        .files
        .first()
        .map_or(text.to_owned(), |file| file.after.clone())
}

const FLEET: &str = r#"/- kdl-version 2
// The fleet.
global {
    backup-root "/mnt/backups" // the large disk
    timezone "UTC"
    notify "ops" on="failure" { email "a@example.net" } // by mail
    exclude "*.tmp"
}
retention "standard" { keep last=3 daily=14 within="30d" }
schedule "nightly" cron="15 2 * * *" prune=#true
group "web" {
    retention "standard"
    schedule "nightly"
    source "/etc" "/var/www"
    hooks { before "check" }
    ssh { identity "/etc/id" }
}

host "web-01" group="web" {
	address "web-01.example.net"   // moved in March
	/* twice
	   as many */
	retention "standard" { keep daily=30 /* audit */ weekly=4 } // until 2027
	exclude "/var/www/cache" /* huge */ "/var/www/tmp"
}

host "web-02" group="web" { address "b.example.net"; ssh { port 2222; user "x" }; enabled }
host "bare" {
    address "local"
    source "/srv/a"
    source "/srv/b" // the second
    // nothing else
}
"#;

#[test]
fn what_is_not_asked_for_stays_byte_for_byte() {
    let text = after(
        FLEET,
        "web-01",
        &[
            ("ssh.port", json!(2022)),
            ("ssh.user", json!("backup")),
            ("retention.daily", json!(60)),
            ("retention.weekly", json!(null)),
            ("retention.last", json!(null)),
            ("retention.protect-bases", json!(true)),
            ("enabled", json!(false)),
            ("address", json!({"env": "WEB_01"})),
            (
                "excludes",
                json!([
                    "/proc/*",
                    "/sys/*",
                    "/dev/*",
                    "/run/*",
                    "*.tmp",
                    "/var/www/tmp",
                    "/new"
                ]),
            ),
            ("rsync.bwlimit", json!(20 << 20)),
            ("hooks.after", json!(["tidy"])),
            (
                "schedules",
                json!([{"name": "nightly", "cron": "15 2 * * *", "timezone": "UTC", "jitter": "5m", "prune": false}]),
            ),
        ],
    );
    insta::assert_snapshot!(diff(FLEET, &text));
    let text = after(
        FLEET,
        "web-02",
        &[
            ("ssh.port", json!(22)),
            ("ssh.identity", json!("/k")),
            ("enabled", json!(false)),
            ("sources", json!(["/srv"])),
            ("timezone", json!("Europe/Amsterdam")),
            ("hooks.before", json!([])),
            (
                "schedules",
                json!([{"cron": "0 3 * * *", "timezone": "Europe/Amsterdam", "jitter": "0s", "prune": true}]),
            ),
            ("retention.daily", json!(7)),
        ],
    );
    insta::assert_snapshot!(diff(FLEET, &text));
    let text = after(
        FLEET,
        "bare",
        &[
            ("sources", json!(["/srv/a", "/srv/new", "/srv/c"])),
            (
                "retention",
                serde_json::to_value(Policy::of("last=2 within=7d".parse().unwrap())).unwrap(),
            ),
            ("stale-after", json!("36h")),
        ],
    );
    insta::assert_snapshot!(diff(FLEET, &text));
    let text = after(
        FLEET,
        "global",
        &[
            ("backup-root", json!("/mnt/other")),
            ("guard.max-delete", json!(99)),
            ("max-concurrent", json!(3)),
            (
                "notify",
                json!([{"name": "ops", "on": ["failure"], "targets": [{"email": "b@example.net"}]}]),
            ),
        ],
    );
    insta::assert_snapshot!(diff(FLEET, &text));
}

fn diff(before: &str, after: &str) -> String {
    similar::TextDiff::from_lines(before, after)
        .unified_diff()
        .context_radius(1)
        .to_string()
}

#[test]
fn what_no_host_can_say_is_refused_by_name_and_the_rest_is_done() {
    let folder = Folder::of(&[("pobsync.kdl", FLEET)]);
    let edited = folder
        .edit(
            "web-02",
            &[
                ("retention.within", json!(null)),
                ("ssh.identity", json!(null)),
                ("schedules", json!([])),
                ("groups", json!([])),
                ("ssh.port", json!(7)),
            ],
        )
        .unwrap();
    let refused: Vec<&str> = edited
        .refused
        .iter()
        .map(|field| field.path.as_str())
        .collect();
    assert_eq!(
        refused,
        ["groups", "ssh.identity", "schedules", "retention.within"]
    );
    assert!(edited.files[0].after.contains("ssh { port 7; user \"x\" }"));
    let edited = folder
        .edit("web-02", &[("retention", json!(null))])
        .unwrap();
    assert!(
        edited.files.is_empty() && edited.refused.len() == 7,
        "{:?}",
        edited.refused
    );
}

#[test]
fn a_host_of_an_include_is_edited_there_and_a_new_one_comes_last() {
    let folder = Folder::of(&[
        (
            "pobsync.kdl",
            "global {\r\n  ssh { user \"x\" }\r\n}\r\ninclude \"hosts/*.kdl\"",
        ),
        (
            "hosts/a.kdl",
            "host \"a\" {\n  address \"local\"\n  source \"/\"\n}\n",
        ),
    ]);
    let edited = folder.edit("a", &[("protect", json!(true))]).unwrap();
    assert_eq!(edited.files.len(), 1);
    assert!(edited.files[0].real.ends_with("hosts/a.kdl"));
    assert_eq!(
        edited.files[0].after,
        "host \"a\" {\n  address \"local\"\n  source \"/\"\n  protect #true\n}\n"
    );
    let name: HostName = "new".parse().unwrap();
    let address = crate::core::model::Value::Literal("local".parse().unwrap());
    let mut settings = settings_of_new_host(&folder.path(), &name, &address)
        .unwrap()
        .unwrap();
    settings.sources = vec!["/etc".parse().unwrap()];
    settings.ssh.port = 2222;
    let edited = edit(&folder.path(), &[Wanted::Host(name, Box::new(settings))]).unwrap();
    assert_eq!(
        edited.files[0].after,
        "global {\r\n  ssh { user \"x\" }\r\n}\r\ninclude \"hosts/*.kdl\"\r\n\r\nhost \"new\" {\r\n  address \"local\"\r\n  ssh { port 2222 }\r\n  source \"/etc\"\r\n}\r\n"
    );
}

#[test]
fn what_is_commented_out_by_slashdash_is_not_lost() {
    let text = "host \"a\" {\n    address \"local\"\n    source \"/\" /-\"/srv\"\n    /-ssh { port 1 }\n    rsync /-{ acls }\n}\n";
    let text = after(
        text,
        "a",
        &[
            ("ssh.port", json!(2)),
            ("sources", json!(["/", "/b"])),
            ("rsync.acls", json!(false)),
        ],
    );
    for kept in ["/-\"/srv\"", "/-ssh { port 1 }", "/-{ acls }"] {
        assert!(text.contains(kept), "{text}");
    }
    let folder = Folder::of(&[(
        "pobsync.kdl",
        "host \"a\" { address \"local\"; source \"/\"; stale-after \"1d\" /-\"2d\"; }\n",
    )]);
    let edited = folder.edit("a", &[("stale-after", json!(null))]).unwrap();
    assert_eq!(edited.refused[0].path, "stale-after");
}

#[test]
fn comments_do_not_run_into_one_another() {
    let text = "host \"a\" {\n    address \"local\"\n    source \"/\"\n    retention {\n        keep last=1 // own\n    } /* in */ // end\n    stale-after \\ // on\n        \"1d\" /* x */\n}\n";
    let edited = after(
        text,
        "a",
        &[("retention", json!(null)), ("stale-after", json!(null))],
    );
    assert_eq!(comments(&edited), comments(text), "{edited}");
    let text = "host \"a\" { address \"local\"; source \"/\" \\ // on\n        \"/b\" }\n";
    let edited = after(text, "a", &[("sources", json!(["/"]))]);
    assert_eq!(comments(&edited), comments(text), "{edited}");
}

#[test]
fn a_comment_between_words_of_a_node_on_a_shared_line_leaves_the_others_whole() {
    let text = "host \"a\" {\n    address \"local\"\n    source \"/etc\"\n    \
                hooks { before \"a\"; remote-after \"a\" \\ // on 4\n        \"b\"; timeout \"25h\" }\n}\n";
    let hooks = |fields: &[(&str, Value)]| {
        let edited = after(text, "a", fields);
        assert_eq!(comments(&edited), comments(text), "{edited}");
        let (_, hooks) = edited.split_once("hooks {").unwrap();
        hooks.trim_end_matches(['\n', '}', ' ']).to_owned()
    };
    assert_eq!(
        hooks(&[("hooks.remote-after", json!([]))]),
        " before \"a\"; // on 4\n    timeout \"25h\""
    );
    assert_eq!(
        hooks(&[("hooks.remote-after", json!(["a"]))]),
        " before \"a\"; remote-after \"a\"; // on 4\n    timeout \"25h\""
    );
    assert_eq!(
        hooks(&[
            ("hooks.before", json!([])),
            ("hooks.remote-after", json!([]))
        ]),
        " // on 4\n    timeout \"25h\""
    );
}

/// Every comment of a text, in order of their text.
fn comments(text: &str) -> Vec<String> {
    let mut found: Vec<String> = tree::tokens(text)
        .into_iter()
        .filter_map(|(token, at)| {
            let text = &text[at];
            match token {
                Token::LineComment | Token::BlockComment => Some(text.trim_end().to_owned()),
                Token::Continuation if text.contains("//") => {
                    Some(text.trim_start_matches('\\').trim().to_owned())
                }
                _ => None,
            }
        })
        .collect();
    found.sort();
    found
}

/// Puts comments where they may stand: behind lines, on lines of their own, and between words.
fn with_comments(text: &str, places: &[(Index, usize)]) -> String {
    let mut text = text.to_owned();
    for (i, (place, kind)) in places.iter().enumerate() {
        let tokens = tree::tokens(&text);
        let wanted = |token: Token| match kind % 4 {
            0 | 1 => token == Token::Newline,
            2 => token == Token::Space,
            _ => token == Token::Space,
        };
        let spots: Vec<_> = tokens
            .iter()
            .filter(|(token, at)| wanted(*token) && !text[at.clone()].contains(['/', '\\', '\n']))
            .chain(
                tokens
                    .iter()
                    .filter(|(token, _)| *token == Token::Newline && kind % 4 < 2),
            )
            .collect();
        if spots.is_empty() {
            continue;
        }
        let at = spots[place.index(spots.len())].1.start;
        // Within a line that is a comment already, nothing is added.
        let line_start = text[..at].rfind('\n').map_or(0, |n| n + 1);
        let has_comment = text[line_start..at].contains("//");
        match kind % 4 {
            0 if !has_comment => text.insert_str(at, &format!(" // end {i}")),
            1 => text.insert_str(at, &format!("\n    // own {i}")),
            2 if !has_comment => text.insert_str(at, &format!(" /* in {i} */")),
            3 if !has_comment => {
                // A line that goes on is only such between the words of one node.
                let changed = format!(
                    "{} \\ // on {i}\n        {}",
                    &text[..at],
                    text[at..].trim_start()
                );
                let is_same = crate::config::load_text("x", changed.clone())
                    .state
                    .is_some();
                if is_same {
                    text = changed;
                }
            }
            _ => {}
        }
    }
    text
}

fn edits(settings: &Value, paths: &[(&'static str, Form)], picks: &[(Index, Index)]) -> Value {
    let mut wanted = settings.clone();
    for (which, value) in picks {
        let (path, form) = paths[which.index(paths.len())];
        if matches!(form, Form::Follows(_)) || path == "groups" {
            continue;
        }
        let is_rule = path.starts_with("retention.");
        if is_rule && wanted.get("retention").is_none() {
            let policy = Policy::of("last=2".parse().unwrap());
            wanted["retention"] = serde_json::to_value(policy).unwrap();
        }
        let mut values = samples::values(path);
        let is_needed = settings.get(path).is_some()
            && !["server", "stale-after", "backup-root"].contains(&path);
        let is_needed = is_needed
            || path.starts_with("guard.")
            || path.starts_with("rsync.") && path != "rsync.bwlimit" && path != "rsync.rsync-path"
            || [
                "ssh.user",
                "ssh.port",
                "retention.kinds",
                "retention.protect-bases",
                "retention.incomplete-after",
            ]
            .contains(&path);
        if !is_needed {
            values.push(Value::Null);
        }
        let value = values[value.index(values.len())].clone();
        wanted = samples::with(&wanted, path, &value);
    }
    wanted
}

fn paths(table: Vec<crate::config::table::Setting>) -> Vec<(&'static str, Form)> {
    table.into_iter().map(|s| (s.path, s.form)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_changes_what_was_asked_for_and_keeps_every_comment(
        global in samples::global(),
        hosts in prop::collection::vec(samples::host(), 1..5),
        places in prop::collection::vec((any::<Index>(), 0..4_usize), 0..14),
        which in any::<Index>(),
        picks in prop::collection::vec((any::<Index>(), any::<Index>()), 1..5),
        of_global in prop::bool::weighted(0.15),
    ) {
        let names: Vec<HostName> = (0..hosts.len()).map(|i| format!("host-{i}").parse().unwrap()).collect();
        let content = Content {
            global: Some(&global),
            hosts: names.iter().zip(&hosts).collect(),
            removed: vec![],
        };
        let text = with_comments(&export(&content).one_file(), &places);
        let folder = Folder::of(&[("pobsync.kdl", &text)]);
        let before = folder.state();
        let i = which.index(hosts.len());
        let wanted = if of_global {
            let value = edits(&serde_json::to_value(&global).unwrap(), &paths(global_table(&global)), &picks);
            Wanted::Global(Box::new(serde_json::from_value(value).unwrap()))
        } else {
            let value = edits(&serde_json::to_value(&hosts[i]).unwrap(), &paths(host_table(&hosts[i])), &picks);
            let Ok(settings) = serde_json::from_value::<HostSettings>(value) else { return Ok(()) };
            if settings.retention.as_ref().is_some_and(|policy| policy.keep.is_empty()) {
                return Ok(());
            }
            Wanted::Host(names[i].clone(), Box::new(samples::with_zone(settings)))
        };
        let edited = match edit(&folder.path(), std::slice::from_ref(&wanted)) {
            Ok(edited) => edited,
            Err(error) => return Err(TestCaseError::fail(match error {
                EditError::Broken(report) => format!("{}\n{text}\n{wanted:?}", report.text(false, 120)),
                other => format!("{other:?}\n{text}\n{wanted:?}"),
            })),
        };
        let Some(file) = edited.files.first() else { return Ok(()) };
        prop_assert_eq!(comments(&file.after), comments(&text), "{}\n{}", text, file.after);
        std::fs::write(folder.path(), &file.after).unwrap();
        let after = folder.state();
        for (old, new) in before.hosts.iter().zip(&after.hosts) {
            let changed: Vec<String> = changed_fields(Some(&old.settings), Some(&new.settings)).into_iter().map(|f| f.path).collect();
            match &wanted {
                Wanted::Host(name, settings) if *name == old.name => {
                    let asked: Vec<String> = changed_fields(Some(&old.settings), Some(&**settings)).into_iter().map(|f| f.path).collect();
                    prop_assert!(changed.iter().all(|path| asked.contains(path)), "{:?} {:?}", changed, asked);
                    for path in asked.iter().filter(|path| !changed.contains(path)) {
                        prop_assert!(edited.refused.iter().any(|field| path.starts_with(&field.path)), "{}", path);
                    }
                }
                _ => prop_assert_eq!(changed, Vec::<String>::new()),
            }
        }
    }
}
