mod documents;
mod includes;

use camino::{Utf8Path, Utf8PathBuf};
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::core::desired::{DesiredState, explain};
use crate::core::model::{Rule, Value};

struct Folder(tempfile::TempDir);

impl Folder {
    fn of(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    fn path(&self) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.0.path().canonicalize().unwrap()).unwrap()
    }

    fn load(&self) -> Loaded {
        load(&self.path().join("pobsync.kdl"))
    }

    /// The report with the folder's own name taken out.
    fn report(&self) -> String {
        self.load()
            .report
            .text(false, 100)
            .replace(self.path().as_str(), "")
    }

    fn codes(&self) -> Vec<&'static str> {
        self.load()
            .report
            .findings()
            .iter()
            .map(|finding| finding.code)
            .collect()
    }
}

fn one(text: &str) -> Folder {
    Folder::of(&[("pobsync.kdl", text)])
}

fn state(text: &str) -> DesiredState {
    let loaded = load_text("pobsync.kdl", text.to_owned());
    loaded
        .state
        .unwrap_or_else(|| panic!("{}", loaded.report.text(false, 100)))
}

/// The same with the places of its settings, below the folder.
fn explained(text: &str) -> DesiredState {
    let folder = one(text);
    let mut state = load_explained(&folder.path().join("pobsync.kdl"))
        .state
        .unwrap();
    let prefix = format!("{}/", folder.path());
    for origin in state
        .hosts
        .iter_mut()
        .flat_map(|host| host.origins.values_mut())
    {
        *origin = origin.replace(&prefix, "");
    }
    state
}

const GOOD: &str = r#"
/- kdl-version 2
global {
    backup-root "/mnt/backups/pobsync"
    timezone "Europe/Amsterdam"
    max-concurrent 4
    ssh { user "root"; port 22; identity "/etc/pobsync/id_ed25519"; known-hosts "/etc/pobsync/known_hosts" }
    guard { max-delete 25; max-delete-percent 30; max-retire-percent "20%" }
    notify "ops" on="failure,stale" { webhook (env)"POBSYNC_OPS_WEBHOOK" }
    exclude "*.tmp"
}
retention "standard" {
    keep last=3 daily=14 weekly=8 monthly=12 yearly=5
    protect-bases #true
    kinds "scheduled"
}
schedule "nightly" cron="15 2 * * *" {
    jitter "20m"
    prune #true
}
group "web" {
    retention "standard"
    schedule "nightly"
    source "/etc" "/var/www"
    exclude "/var/www/*/cache"
}
host "web-01" group="web" {
    address "web-01.example.net"
    retention "standard" { keep daily=30 yearly=0 }
    protect #true
    exclude "/etc/secret"
}
host "web-02" group="web" {
    address (env)"WEB_02"
    source reset=#true "/srv"
    exclude reset=#true "/srv/x"
    schedule reset=#true cron="0 3 * * *"
    ssh { port 2222 }
    timezone "UTC"
}
host "bare" { address "local"; source "/" }
removed "gone" snapshots="keep"
"#;

#[test]
fn later_layers_win_and_lists_add_up() {
    let state = state(GOOD);
    let host = |name: &str| {
        &state
            .hosts
            .iter()
            .find(|host| host.name.as_str() == name)
            .unwrap()
            .settings
    };
    let web = host("web-01");
    let policy = web.retention.as_ref().unwrap();
    assert_eq!(
        policy
            .keep
            .count(Rule::Daily)
            .map(|c| c.to_string())
            .as_deref(),
        Some("30")
    );
    assert_eq!(
        policy.keep.count(Rule::Yearly),
        None,
        "0 takes an inherited rule away"
    );
    assert_eq!(
        policy
            .keep
            .count(Rule::Weekly)
            .map(|c| c.to_string())
            .as_deref(),
        Some("8")
    );
    assert!(policy.protect_bases && web.protect);
    assert_eq!(policy.timezone.name(), "Europe/Amsterdam");
    let words = |list: &[crate::core::model::ExcludePattern]| {
        list.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        words(&web.excludes),
        [
            "/proc/*",
            "/sys/*",
            "/dev/*",
            "/run/*",
            "*.tmp",
            "/var/www/*/cache",
            "/etc/secret"
        ]
    );
    assert_eq!(web.schedules[0].jitter.to_string(), "20m");

    let other = host("web-02");
    assert_eq!(
        other.address,
        Value::Env {
            env: "WEB_02".into()
        }
    );
    assert_eq!(
        other.sources.iter().map(|s| s.as_str()).collect::<Vec<_>>(),
        ["/srv"]
    );
    assert_eq!(words(&other.excludes), ["/srv/x"]);
    assert_eq!(
        (other.schedules.len(), other.schedules[0].cron.as_str()),
        (1, "0 3 * * *")
    );
    assert_eq!(
        (other.schedules[0].timezone, other.schedules[0].prune),
        (chrono_tz::UTC, false)
    );
    assert_eq!(
        (other.ssh.port, other.ssh.user.to_string().as_str()),
        (2222, "root")
    );

    let bare = host("bare");
    assert!(bare.retention.is_none() && bare.schedules.is_empty());
    assert_eq!(state.removed[0].name.as_str(), "gone");
    assert_eq!(state.global.guard.max_retire_percent.get(), 20);
}

#[test]
fn every_value_knows_the_line_that_set_it() {
    let state = explained(GOOD);
    let host = state
        .hosts
        .iter()
        .find(|host| host.name.as_str() == "web-01")
        .unwrap();
    let rows: Vec<String> = explain(host)
        .into_iter()
        .map(|(path, value, at)| format!("{path} = {value}  [{at}]"))
        .collect();
    insta::assert_snapshot!(rows.join("\n"));
}

#[test]
fn all_mistakes_are_told_at_once() {
    let folder = one(r#"
globl { backup-root "/x" }
global { backup-root "/"; timezone "Europe/Amsterdm"; guard { max-delete "x" } }
retention "standard" { keep daily=7 }
host "web" gruop="a" { adress "x"; source "etc" "/a/../b"; retention "standrd"; enabled "true" }
host "Web" { address "a\nb"; source "/x"; retention { keep daily=0 } }
host "-oProxyCommand=x" { address "a"; source "/" }
schedule "s" cron="0 0 30 2 *"
host "c" { address "c"; source (env)"X"; ssh { port 22; port 23 } }
"#);
    insta::assert_snapshot!(folder.report());
}

#[test]
fn kdl_1_habits_get_a_hint_of_their_own() {
    insta::assert_snapshot!(one("host \"a\" {\n    address \"a\"\n    enabled true\n}\n").report());
    insta::assert_snapshot!(one("host \"a\" {\n    address r\"a\"\n}\n").report());
}

#[test]
fn a_duplicate_in_another_file_shows_both_places() {
    let folder = Folder::of(&[
        ("pobsync.kdl", "include \"hosts/*.kdl\"\n"),
        (
            "hosts/a.kdl",
            "host \"web\" { address \"a\"; source \"/\" }\n",
        ),
        (
            "hosts/b.kdl",
            "\nhost \"WEB\" { address \"a\"; source \"/\" }\n",
        ),
    ]);
    insta::assert_snapshot!(folder.report());
}

#[rstest]
#[case("nonsense", "unknown-node")]
#[case("host \"a\" { source \"/\" }", "no-address")]
#[case("host \"a\" { address \"a\" }", "no-source")]
#[case(
    "host \"a\" { address \"a\"; source \"/\" }\nhost \"A\" { address \"a\"; source \"/\" }",
    "duplicate-host"
)]
#[case("host \"a\" { address \"a\"; source \"etc\" }", "invalid-value")]
#[case("host \"a\" { address \"a\"; source \"/etc/../x\" }", "invalid-value")]
#[case(
    "host \"-oProxyCommand=x\" { address \"a\"; source \"/\" }",
    "invalid-value"
)]
#[case("host \"a\" { address \"a\\nb\"; source \"/\" }", "invalid-value")]
#[case("host \"a\" { address \"a/b:c\"; source \"/\" }", "invalid-value")]
#[case(
    "host \"a\" { address \"a\"; source \"/\"; schedule cron=\"0 0 30 2 *\" }",
    "invalid-value"
)]
#[case(
    "host \"a\" { address \"a\"; source \"/\"; retention { keep daily=0 } }",
    "keeps-nothing"
)]
#[case("retention \"r\" { protect-bases }", "keeps-nothing")]
#[case("global { backup-root \"/\" }", "root-is-slash")]
#[case("global { backup-root \"mnt\" }", "invalid-value")]
#[case(
    "host \"a\" group=\"b\" { address \"a\"; source \"/\" }",
    "unknown-group"
)]
#[case(
    "host \"a\" { address \"a\"; source \"/\" }\nremoved \"a\" snapshots=\"delete\"",
    "removed-and-there"
)]
#[case("removed \"a\"", "missing-value")]
#[case(
    "host \"a\" was=\"b\" { address \"a\"; source \"/\" }\nhost \"b\" { address \"a\"; source \"/\" }",
    "rename-of-a-host"
)]
#[case("global { timezone (env)\"TZ\" }", "annotation")]
#[case(
    "host \"a\" group=\"g\" group=\"h\" { address \"a\"; source \"/\" }",
    "twice"
)]
#[case("global\nglobal", "global-twice")]
#[case(
    "global { notify \"a\" { command \"x\" }; notify \"a\" { command \"y\" }; }",
    "twice"
)]
#[case("global { smtp { host \"a\" }; smtp { host \"b\" }; }", "twice")]
#[case(
    "global { smtp { user \"a\"; password \"hunter2\" } }",
    "password-in-the-file"
)]
#[case(
    "global { smtp { host \"mx.example.net\"; tls \"none\"; user \"a\"; password (env)\"P\" } }",
    "password-in-the-clear"
)]
#[case("global { smtp { tls \"ssl\" } }", "invalid-value")]
#[case("global { smtp { port 0 } }", "invalid-value")]
#[case("global { limits { max-size \"0B\" } }", "invalid-value")]
#[case("global { limits { max-size 5 } }", "wrong-type")]
#[case("global { limits { max-files 0 } }", "invalid-value")]
#[case("global { limits { max-files 5000000000 } }", "invalid-value")]
#[case("global { prune { max-per-second 0 } }", "invalid-value")]
#[case("global { prune { polite #true } }", "unknown-node")]
#[case(
    "host \"a\" { address \"a\"; source \"/\"; enabled \"yes\" }",
    "wrong-type"
)]
#[case("include \"/etc/passwd\"", "outside-root")]
#[case("include \"../x.kdl\"", "outside-root")]
#[case("include \"nothing/*.kdl\"", "no-match")]
#[case("include \"pobsync.kdl\"", "include-cycle")]
fn each_mistake_has_its_name(#[case] text: &str, #[case] code: &str) {
    let folder = one(text);
    let found = folder.codes();
    assert!(found.contains(&code), "{found:?}\n{}", folder.report());
    let loaded = folder.load();
    assert!(loaded.state.is_none());
    assert_eq!(
        loaded.files[0].path,
        folder.path().join("pobsync.kdl"),
        "the file is told also when it is wrong"
    );
}

#[test]
fn what_is_no_text_or_too_large_or_not_there_is_told() {
    let folder = one("");
    let path = folder.path().join("pobsync.kdl");
    std::fs::write(&path, b"host \"a\xff\"").unwrap();
    assert_eq!(folder.codes(), ["not-utf8"]);
    std::fs::write(&path, vec![b' '; 5 << 20]).unwrap();
    assert_eq!(folder.codes(), ["too-large"]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(folder.codes(), ["unreadable"]);
    assert!(folder.report().contains("pobsync init"));
}

#[test]
fn tiny_files_that_hang_or_crash_the_parser_are_refused_at_once() {
    for text in [
        "a /-{\n".repeat(18),
        "/- a {\n b\n".repeat(16),
        "a {\n".repeat(17),
        "a{".repeat(100_000),
        "/*".repeat(50_000),
        format!("/*{}*/", "* ".repeat(160_000)),
        "a /-{".repeat(5_000),
    ] {
        assert_eq!(one(&text).codes(), ["too-complex"], "{}", &text[..40]);
    }
}

#[test]
fn terminal_controls_of_a_file_do_not_reach_the_terminal() {
    let folder = one("host \"a\u{1b}[2J\" { address \"a\"; source \"/\" }\n// \u{1b}]0;x\u{7}\n");
    let report = folder.report();
    assert!(
        !report.contains('\u{1b}') && !report.contains('\u{7}'),
        "{report:?}"
    );
}

#[test]
fn a_report_for_programs_says_where() {
    let folder = one("\nhost \"é\" { address \"a\"; source \"/\" }\n");
    let json: serde_json::Value = serde_json::from_str(&folder.load().report.json()).unwrap();
    let finding = &json["findings"][0];
    assert_eq!(
        (&finding["line"], &finding["column"], &finding["offset"]),
        (&2.into(), &6.into(), &6.into())
    );
    assert_eq!(
        (&json["outcome"], &finding["severity"]),
        (&"invalid".into(), &"error".into())
    );
}

/// Small files that ask for very much: lists times hosts, a report a line long, likenesses of everything.
#[test]
fn a_small_file_cannot_ask_for_everything() {
    let many = |n: usize, item: &dyn Fn(usize) -> String| (0..n).map(item).collect::<String>();
    let amplified = format!(
        "group \"g\" {{ source \"/\"; exclude {} }}\n{}",
        many(2_000, &|i| format!("\"/{i}\" ")),
        many(600, &|i| format!(
            "host \"h{i}\" group=\"g\" {{ address \"a\" }}\n"
        )),
    );
    assert_eq!(one(&amplified).codes(), ["too-many-settings"]);

    let schedules = many(101, &|i| format!("schedule cron=\"{} 1 * * *\"\n", i % 60));
    let text = format!("host \"a\" {{ address \"a\"; source \"/\"\n{schedules} }}");
    assert_eq!(one(&text).codes(), ["too-many-schedules"]);

    let report = one(&many(20_000, &|i| format!("n{i};"))).load().report;
    assert!(report.text(false, 100).len() < 20_000);
    assert!(report.text(false, 100).contains("pobsync.kdl:1:"));
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(
        (json["findings"].as_array().map(Vec::len), &json["more"]),
        (Some(1_000), &19_000.into())
    );

    let long = format!("host \"{}\" {{ }}", "x".repeat(100_000));
    assert!(one(&long).report().len() < 2_000);
}

#[rstest]
#[case("", "source reset=#true", false)]
#[case("source \"/\"", "source reset=#true", false)]
#[case("source \"/\"", "", true)]
#[case("source \"/\"", "source reset=#true \"/etc\"", true)]
fn a_host_has_a_source_after_every_reset(
    #[case] group: &str,
    #[case] host: &str,
    #[case] is_valid: bool,
) {
    let text =
        format!("group \"g\" {{ {group} }}\nhost \"a\" group=\"g\" {{ address \"a\"; {host}\n }}");
    let codes = one(&text).codes();
    assert_eq!(codes.is_empty(), is_valid, "{codes:?}");
    assert!(is_valid || codes == ["no-source"], "{codes:?}");
}

#[rstest]
#[case("host \"Web\" was=\"web\" {B}", &[])]
#[case("host \"web\" was=\"web\" {B}", &["rename-of-a-host"])]
#[case("host \"a\" was=\"WEB\" {B}\nhost \"web\" {B}", &["rename-of-a-host"])]
#[case("host \"a\" was=\"x\" {B}\nhost \"b\" was=\"X\" {B}", &["renamed-twice"])]
#[case("host \"a\" was=\"x\" {B}\nremoved \"X\" snapshots=\"keep\"", &["removed-and-there"])]
#[case("removed \"x\" snapshots=\"keep\"\nremoved \"X\" snapshots=\"delete\"", &["removed-twice"])]
fn names_are_one_whatever_their_case(#[case] text: &str, #[case] codes: &[&str]) {
    let text = text.replace("{B}", "{ address \"a\"; source \"/\" }");
    assert_eq!(one(&text).codes(), codes);
}

#[test]
fn a_text_that_was_sent_includes_nothing() {
    let loaded = load_text("sent.kdl", "include \"*.kdl\"".to_owned());
    assert_eq!(loaded.report.findings()[0].code, "include-refused");
}

#[test]
fn the_starter_file_is_valid_for_any_root() {
    for root in ["/mnt/backups", "/mnt/with \"quotes\" and \\"] {
        let loaded = one(&starter(root)).load();
        let state = loaded
            .state
            .unwrap_or_else(|| panic!("{}", loaded.report.text(false, 100)));
        assert_eq!(state.global.backup_root.unwrap().as_str(), root);
    }
}

fn token() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("{".to_owned()),
        Just("}".to_owned()),
        Just("/-".to_owned()),
        Just("/*".to_owned()),
        Just("*/".to_owned()),
        Just("//".to_owned()),
        Just("\n".to_owned()),
        Just("\"".to_owned()),
        Just("#\"".to_owned()),
        Just("\"#".to_owned()),
        Just("\"\"\"".to_owned()),
        Just("\\".to_owned()),
        Just(";".to_owned()),
        Just("=".to_owned()),
        Just("(env)".to_owned()),
        Just("host".to_owned()),
        Just("#true".to_owned()),
        Just(" ".to_owned()),
        Just("\u{feff}".to_owned()),
        "[a-z0-9.#-]{1,4}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A hang would be seen by the run never ending: the longest of these takes milliseconds behind the guard.
    #[test]
    fn any_soup_of_tokens_ends_in_a_state_or_a_report(tokens in proptest::collection::vec(token(), 0..60)) {
        let loaded = load_text("soup.kdl", tokens.concat());
        prop_assert_eq!(loaded.state.is_some(), !loaded.report.has_errors());
        let _ = (loaded.report.text(true, 60), loaded.report.json());
    }

    #[test]
    fn a_damaged_file_never_panics(at in 0_usize..GOOD.len(), cut in 0_usize..40, put in "[ -~\n]{0,8}") {
        let start = (0..=at).rev().find(|i| GOOD.is_char_boundary(*i)).unwrap();
        let end = (start + cut..=GOOD.len()).find(|i| GOOD.is_char_boundary(*i)).unwrap_or(GOOD.len());
        let damaged = format!("{}{put}{}", &GOOD[..start], &GOOD[end..]);
        let loaded = load_text("damaged.kdl", damaged);
        let _ = (loaded.report.text(false, 80), loaded.report.json(), loaded.state);
    }
}

#[test]
fn hooks_add_up_and_a_reset_starts_anew() {
    let state = explained(
        r#"
        global { hooks { before "a"; after "x" } }
        group "g" { hooks { before "b" "a" } }
        host "adds" group="g" { address "local"; source "/"; hooks { before "c" } }
        host "anew" group="g" { address "local"; source "/"; hooks { before reset=#true "c"; after reset=#true } }
        "#,
    );
    let hooks = |host: usize| {
        let hooks = &state.hosts[host].settings.hooks;
        let words = |names: &[crate::core::model::HookName]| {
            names
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        (words(&hooks.before), words(&hooks.after))
    };
    assert_eq!(hooks(0), ("a b a c".to_owned(), "x".to_owned()));
    assert_eq!(hooks(1), ("c".to_owned(), String::new()));
    assert_eq!(state.hosts[0].origins["hooks.before.3"], "pobsync.kdl:4");
}

#[test]
fn the_time_of_hooks_is_ten_minutes_or_what_is_nearest_to_the_host() {
    let state = state(
        r#"
        group "g" { hooks { timeout "1h" } }
        host "1" { address "local"; source "/"; hooks { before "a" } }
        host "2" group="g" { address "local"; source "/"; hooks { before "a" } }
        host "3" group="g" { address "local"; source "/"; hooks { timeout "90s" } }
    "#,
    );
    let times: Vec<u64> = state
        .hosts
        .iter()
        .map(|host| host.settings.hooks.timeout.seconds())
        .collect();
    assert_eq!(times, [600, 3600, 90]);
    let json = |host: usize| serde_json::to_value(&state.hosts[host].settings.hooks).unwrap();
    assert_eq!(json(0), serde_json::json!({"before": ["a"]}));
    assert_eq!(json(2), serde_json::json!({"timeout": "90s"}));
    assert!(
        one("host \"a\" { address \"local\"; source \"/\"; hooks { timeout \"0s\" } }")
            .report()
            .contains("no hook can end in no time")
    );
}

/// What a file says is the same whether it was parsed now or before, places and mistakes included; and only what was
/// changed is parsed again.
#[test]
fn what_is_remembered_says_the_same() {
    let many: String = (0..900)
        .map(|i| format!("host \"h{i}\" group=\"web\" {{ address \"h{i}.example.net\"; exclude #\"a\\b\"# \"\\u{{e9}}\" }}\n"))
        .collect();
    let group = "group \"web\" { source \"/\"; retention { keep daily=7 } }\n";
    let folder = Folder::of(&[
        ("pobsync.kdl", "include \"hosts/*.kdl\"\n"),
        ("hosts/many.kdl", &many),
        ("hosts/web.kdl", group),
        ("state/here", ""),
    ]);
    let (file, state) = (
        folder.path().join("pobsync.kdl"),
        folder.path().join("state"),
    );
    let told = |loaded: Loaded| {
        let shas: Vec<String> = loaded.files.iter().map(|f| f.sha256.clone()).collect();
        (loaded.state, loaded.report.text(false, 100), shas)
    };
    let remembering = || told(load_remembering(&file, &file, &state));
    let kept = || std::fs::read(state.join("parsed-kdl")).unwrap();

    let first = remembering();
    assert!(first.0.is_some(), "{}", first.1);
    assert_eq!(first, told(folder.load()));
    let before = kept();
    assert_eq!((remembering(), kept()), (first, before.clone()));

    let wrong = "group \"web\" { source \"/\"; sauce \"/\" }\nhost \"h7\" { address \"x y\" }\n";
    std::fs::write(folder.path().join("hosts/web.kdl"), wrong).unwrap();
    let second = remembering();
    assert_eq!(second, told(folder.load()));
    assert!(
        second.0.is_none() && second.1.contains("hosts/many.kdl:8"),
        "{}",
        second.1
    );
    assert_ne!(kept(), before);
    assert_eq!(remembering(), second);

    // A text that does not parse is nothing to remember.
    std::fs::write(folder.path().join("hosts/web.kdl"), "group {{\n").unwrap();
    let third = remembering();
    assert_eq!((remembering(), &third), (told(folder.load()), &third));
}
