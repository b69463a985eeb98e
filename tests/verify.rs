//! `verify` over real backups: bit rot, what shares it and what does not, a lost database, prunes that stop, samples.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use common::build_tree;
use common::program::Program;
use common::sql::Sql;
use serde_json::Value;

struct Fixture {
    program: Program,
    source: PathBuf,
}

impl Fixture {
    /// A host with odd files that is this machine, backed up as often as is said.
    fn new(backups: usize) -> Self {
        let program = Program::new();
        let source = program.path("source");
        std::fs::create_dir_all(source.join("etc")).unwrap();
        build_tree(&source.join("odd"));
        std::fs::write(source.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
        std::fs::write(source.join("etc/motd"), "welcome\n").unwrap();
        let fixture = Self { program, source };
        fixture.configure("");
        fixture.program.ends(0, &["init"]);
        fixture.program.ends(0, &["apply", "--yes"]);
        for _ in 0..backups {
            fixture.back_up();
        }
        fixture
    }

    fn configure(&self, more: &str) {
        let text = format!(
            "global {{ backup-root \"ROOT\" }}\n\
             host \"web\" {{ address \"local\"; source \"{}\"; retention {{ keep last=2; kinds \"manual\" }}; {more} }}",
            self.source.display()
        );
        self.program.write("pobsync.kdl", &text);
    }

    fn back_up(&self) {
        self.program.ends(0, &["backup", "web"]);
    }

    fn names(&self) -> Vec<String> {
        self.program.visible("web", "manual")
    }

    /// A file of the source in a snapshot.
    fn at(&self, snapshot: &str, path: &str) -> PathBuf {
        let below = self.source.strip_prefix("/").unwrap();
        let data = self.program.data("web", "manual", snapshot);
        data.join(below).join(path)
    }

    fn verify(&self, code: i32, more: &[&str]) -> Value {
        let args: Vec<&str> = ["verify", "web"].iter().chain(more).copied().collect();
        let mut told = self.program.json(code, &args);
        let schema = include_str!("../schema/verify.schema.json");
        let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
        if let Err(error) = schema.validate(&told) {
            panic!("{error}: {told:#}");
        }
        told[0].take()
    }
}

/// Changes one bit of a file and puts its time back: what a disk does.
fn flip(path: &Path) {
    let modified = path.metadata().unwrap().modified().unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    bytes[0] ^= 1;
    std::fs::write(path, bytes).unwrap();
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(modified).unwrap();
}

fn snapshots_of(damage: &Value) -> Vec<String> {
    let list = damage["snapshots"].as_array().unwrap();
    list.iter()
        .map(|of| of["snapshot"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn one_bit_is_named_with_all_that_share_it_and_a_whole_copy() {
    let fixture = Fixture::new(3);
    let sound = fixture.verify(0, &[]);
    assert_eq!(sound["outcome"], "done");
    assert_eq!(sound["damage"], serde_json::json!([]));
    assert_eq!(sound["snapshots"].as_array().unwrap().len(), 3);

    // The same content again under another inode: the file was touched and touched back on the host.
    let hosts = fixture.source.join("etc/hosts");
    let text = std::fs::read(&hosts).unwrap();
    std::fs::write(&hosts, "other\n").unwrap();
    fixture.back_up();
    std::fs::write(&hosts, text).unwrap();
    fixture.back_up();
    let names = fixture.names();
    let inode = |name: &str| fixture.at(name, "etc/hosts").metadata().unwrap().ino();
    assert_eq!(inode(&names[0]), inode(&names[2]));
    assert_ne!(inode(&names[0]), inode(&names[4]));

    flip(&fixture.at(&names[1], "etc/hosts"));
    let found = fixture.verify(1, &[]);
    assert_eq!(found["outcome"], "failed");
    let damage = found["damage"].as_array().unwrap();
    assert_eq!(damage.len(), 1, "{found}");
    let path = fixture.source.join("etc/hosts");
    let path = path.strip_prefix("/").unwrap().to_str().unwrap();
    assert_eq!(damage[0]["path"], path);
    assert_eq!(damage[0]["problem"], "content");
    assert_eq!(snapshots_of(&damage[0]), names[..3]);
    assert_eq!(damage[0]["intact"]["snapshot"], names[4]);
    assert_eq!(damage[0]["intact"]["state"], "same");
    assert_eq!(found["prunes_stop"], true);

    // One snapshot is enough to name those that share its inodes.
    let one = format!("web:{}", names[0]);
    let one = fixture.program.json(1, &["verify", &one]);
    assert_eq!(snapshots_of(&one[0]["damage"][0]), names[..3]);
    let said = fixture.program.ends(1, &["verify", "web"]);
    for word in [path, "content", &names[2], &names[4]] {
        assert!(said.out.contains(word), "{word}: {}", said.out);
    }
}

fn damage_at<'a>(found: &'a Value, path: &str) -> &'a Value {
    let mut damage = found["damage"].as_array().unwrap().iter();
    let at = damage.find(|damage| damage["path"].as_str().unwrap().ends_with(path));
    at.unwrap_or_else(|| panic!("{path}: {found:#}"))
}

#[test]
fn a_hostile_disk_is_told_for_what_it_is() {
    let fixture = Fixture::new(3);
    let names = fixture.names();
    // Cut short, in all three at once: they share it.
    let file = std::fs::File::options()
        .write(true)
        .open(fixture.at(&names[0], "etc/motd"))
        .unwrap();
    file.set_len(1).unwrap();
    // A link in the place of a file, and no directory any more: in one alone.
    let hosts = fixture.at(&names[1], "etc/hosts");
    std::fs::remove_file(&hosts).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &hosts).unwrap();
    std::fs::remove_dir_all(fixture.at(&names[2], "odd")).unwrap();
    let found = fixture.verify(1, &[]);
    let motd = damage_at(&found, "etc/motd");
    assert_eq!(motd["problem"], "attributes");
    assert_eq!(snapshots_of(motd), names);
    assert_eq!(motd["intact"]["state"], "nowhere");
    let link = damage_at(&found, "etc/hosts");
    assert!(link["attributes"].to_string().contains("type"), "{link}");
    assert_eq!(snapshots_of(link), names[1..2]);
    // The very file is in the neighbours; a directory that has gone needs no copy, and what was in it has one.
    assert_eq!(link["intact"]["state"], "same");
    assert_eq!(damage_at(&found, "/odd")["problem"], "missing");
    assert_eq!(damage_at(&found, "/odd")["intact"]["state"], "not-needed");
    let inside = damage_at(&found, "odd/with\\nnewline");
    assert_eq!(inside["problem"], "missing");
    assert_eq!(inside["intact"]["state"], "same");

    // Manifests with names that lead elsewhere, without an end, and of another kind than a file.
    let manifest = |name: &str| {
        fixture
            .program
            .path(&format!("root/web/manual/{name}/manifest"))
    };
    let text = std::fs::read_to_string(manifest(&names[0])).unwrap();
    std::fs::write(manifest(&names[0]), text.replace("motd", "../motd")).unwrap();
    let half = &text[..text.len() / 2];
    std::fs::write(manifest(&names[1]), half).unwrap();
    std::fs::remove_file(manifest(&names[2])).unwrap();
    assert!(
        std::process::Command::new("mkfifo")
            .arg(manifest(&names[2]))
            .status()
            .unwrap()
            .success()
    );
    let found = fixture.verify(1, &[]);
    let states = found["snapshots"].as_array().unwrap();
    let states: Vec<&str> = states
        .iter()
        .map(|s| s["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["damaged", "damaged", "unreadable"], "{found:#}");
    for damage in found["damage"].as_array().unwrap() {
        assert_eq!(damage["problem"], "manifest");
    }
}

#[test]
fn one_host_that_cannot_be_read_stops_no_other() {
    let fixture = Fixture::new(1);
    let text = std::fs::read_to_string(fixture.program.path("pobsync.kdl")).unwrap();
    let other = text.replace("host \"web\"", "host \"aside\"");
    let host = other.split_once('\n').unwrap().1;
    std::fs::write(
        fixture.program.path("pobsync.kdl"),
        format!("{text}\n{host}"),
    )
    .unwrap();
    fixture.program.ends(0, &["apply", "--yes"]);
    fixture.program.ends(0, &["backup", "aside"]);
    let root = fixture.program.root();
    std::fs::rename(root.join("aside"), fixture.program.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink(fixture.program.path("elsewhere"), root.join("aside")).unwrap();
    let told = fixture.program.json(13, &["verify", "--all"]);
    let of = |host: &str| {
        let mut all = told.as_array().unwrap().iter();
        all.find(|told| told["host"] == host).unwrap()
    };
    assert!(
        of("aside")["message"]
            .as_str()
            .unwrap()
            .contains("symbolic link"),
        "{told:#}"
    );
    assert_eq!(of("web")["outcome"], "done");
}

#[test]
fn what_a_user_may_not_read_is_no_damage() {
    if !common::is_root() {
        return;
    }
    let fixture = Fixture::new(0);
    let chmod = |mode: &str, path: &Path| {
        let mut done = std::process::Command::new("chmod");
        assert!(done.arg(mode).arg(path).status().unwrap().success());
    };
    // Anybody may reach the snapshot, and not all of it.
    chmod("a+rx", &fixture.program.path(""));
    chmod("600", &fixture.source.join("etc/hosts"));
    chmod("700", &fixture.source.join("odd"));
    fixture.back_up();
    let snapshot = fixture
        .program
        .path("root/web/manual")
        .join(&fixture.names()[0]);
    for below in ["", "data", "..", "../..", "../../.."] {
        chmod("a+rx", &snapshot.join(below));
    }
    for below in ["manifest", "meta.json", "../../../.pobsync-root"] {
        chmod("a+r", &snapshot.join(below));
    }
    for below in ["../../.incomplete", "../../.incomplete/manual"] {
        chmod("a+rx", &snapshot.join(below));
    }
    let root = fixture.program.root();
    let nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let args = [
        "verify",
        "web",
        "--root",
        root.to_str().unwrap(),
        "--format",
        "json",
    ];
    let said = fixture.program.run_under(&nobody, &args);
    let told: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}", said.err));
    assert_eq!(told[0]["damage"], serde_json::json!([]), "{told:#}");
    let seen = &told[0]["snapshots"][0];
    assert_eq!(seen["state"], "unreadable");
    let problem = seen["problem"].as_str().unwrap();
    assert!(
        problem.starts_with("2 files and directories may not be read"),
        "{problem}"
    );
    assert_eq!(said.code, 13);
    // Whoever may is told that nothing is wrong.
    fixture.verify(0, &[]);
}

#[test]
fn whoever_may_not_read_a_damaged_file_does_not_make_it_whole() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let fixture = Fixture::new(1);
    let at = |path: &str| fixture.at(&fixture.names()[0], path);
    flip(&at("etc/hosts"));
    fixture.verify(1, &[]);
    flip(&at("etc/motd"));
    let run = |command: &str, args: [&std::ffi::OsStr; 3]| {
        let mut done = std::process::Command::new(command);
        assert!(done.args(args).status().unwrap().success());
    };
    let all = fixture.program.path("");
    run(
        "chown",
        ["-R".as_ref(), "65534:65534".as_ref(), all.as_ref()],
    );
    let closed = at("etc/hosts");
    run("chown", ["--".as_ref(), "0:0".as_ref(), closed.as_ref()]);
    run("chmod", ["--".as_ref(), "600".as_ref(), closed.as_ref()]);
    let nobody = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
    ];
    let said = fixture
        .program
        .run_under(&nobody, &["verify", "web", "--format", "json"]);
    let told: Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{}", said.err));
    let seen = &told[0]["snapshots"][0];
    assert_eq!(seen["state"], "damaged", "{told:#}");
    assert!(seen["problem"].is_string(), "{told:#}");
    let path = |damage: &Value| damage["path"].as_str().unwrap().to_owned();
    let paths: Vec<String> = told[0]["damage"]
        .as_array()
        .unwrap()
        .iter()
        .map(path)
        .collect();
    assert!(
        paths.iter().any(|path| path.ends_with("etc/motd")),
        "{paths:?}"
    );
    let known = Sql::of(&fixture.program)
        .texts("SELECT path FROM damage WHERE problem = 'content' ORDER BY path");
    assert!(
        known.iter().any(|path| path.ends_with("etc/hosts")),
        "{known:?}"
    );
    assert!(
        known.iter().any(|path| path.ends_with("etc/motd")),
        "{known:?}"
    );
}

#[test]
fn damage_found_in_one_snapshot_is_known_of_all_that_share_it() {
    let fixture = Fixture::new(3);
    let names = fixture.names();
    flip(&fixture.at(&names[0], "etc/motd"));
    let one = format!("web:{}", names[0]);
    fixture.program.json(1, &["verify", &one]);
    let damaged = || -> Vec<u64> {
        let rows = fixture.program.json(0, &["snapshots", "web"]);
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| row["damaged"].as_u64().unwrap()).collect()
    };
    assert_eq!(damaged(), [1, 1, 1]);
    // Somebody has looked, and the snapshot that it was found in goes.
    fixture.program.ends(0, &["ack", "web"]);
    fixture
        .program
        .ends(0, &["retention", "web", "--apply", "--yes"]);
    assert_eq!(fixture.names(), names[1..]);
    assert_eq!(damaged(), [1, 1]);
    let status = fixture.program.json(1, &["status"]);
    let told = &status["hosts"][0]["verification"];
    assert_eq!(told["damaged_snapshots"], 2, "{status:#}");
    // A look at all of it says the same.
    fixture.verify(1, &[]);
    assert_eq!(damaged(), [1, 1]);
}

#[test]
fn where_a_file_is_whole_is_told_apart_from_where_nobody_knows() {
    let fixture = Fixture::new(2);
    let state = |found: &Value| found["damage"][0]["intact"].clone();
    flip(&fixture.at(&fixture.names()[0], "etc/hosts"));
    let found = fixture.verify(1, &[]);
    assert_eq!(state(&found), serde_json::json!({"state": "nowhere"}));
    let said = fixture.program.ends(1, &["verify", "web"]);
    for words in [
        "no whole copy is left in any snapshot",
        "Unattended prunes of web stop until somebody has looked: pobsync ack web",
        "The next backup brings anew",
    ] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    let said = fixture.program.ends(0, &["snapshots", "web"]);
    assert!(said.out.contains("no whole copy is known"), "{}", said.out);

    // Somebody has looked: prunes go on, and it is not said that they stop.
    fixture.program.ends(0, &["ack", "web"]);
    let found = fixture.verify(1, &[]);
    assert_eq!(found["prunes_stop"], false);
    let said = fixture.program.ends(1, &["verify", "web"]);
    assert!(said.out.contains("go on: pobsync hold web"), "{}", said.out);

    // Another version, and then one of which nothing says what it should hold.
    std::fs::write(fixture.source.join("etc/hosts"), "another\n").unwrap();
    fixture.back_up();
    let newest = fixture.names()[2].clone();
    let found = fixture.verify(1, &[]);
    assert_eq!(state(&found)["state"], "other-version");
    assert_eq!(state(&found)["snapshot"], newest.as_str());
    let root = fixture.program.root();
    std::fs::remove_file(root.join(format!("web/manual/{newest}/manifest"))).unwrap();
    let found = fixture.verify(1, &["--root", root.to_str().unwrap()]);
    assert_eq!(state(&found), serde_json::json!({"state": "unknown"}));
    assert_eq!(found["prunes_stop"], Value::Null);
    let said = fixture
        .program
        .ends(1, &["verify", "web", "--root", root.to_str().unwrap()]);
    assert!(said.out.contains("Nothing was recorded"), "{}", said.out);

    // What was whole and has been deleted since is whole nowhere.
    let rows = fixture.program.json(0, &["snapshots", "web"]);
    assert_eq!(rows[0]["damage"][0]["intact"], newest.as_str());
    std::fs::rename(
        root.join(format!("web/manual/{newest}")),
        fixture.program.path("elsewhere"),
    )
    .unwrap();
    fixture.program.ends(0, &["discover-snapshots"]);
    let rows = fixture.program.json(0, &["snapshots", "web"]);
    assert_eq!(rows[0]["damage"][0]["intact"], Value::Null);
}

#[test]
fn without_a_database_a_root_is_read_and_left_as_it_is() {
    let fixture = Fixture::new(2);
    let names = fixture.names();
    flip(&fixture.at(&names[0], "etc/motd"));
    let manifest = fixture
        .program
        .root()
        .join(format!("web/manual/{}/manifest", names[1]));
    std::fs::remove_file(&manifest).unwrap();
    std::fs::remove_dir_all(fixture.program.path("state")).unwrap();
    let root = fixture.program.root();
    let found = fixture.verify(1, &["--root", root.to_str().unwrap()]);
    assert_eq!(snapshots_of(&found["damage"][0]), names);
    assert_eq!(found["snapshots"][1]["state"], "no-manifest");
    assert!(!manifest.exists());
    assert!(!fixture.program.path("state").exists());
    let all = fixture
        .program
        .json(1, &["verify", "--all", "--root", root.to_str().unwrap()]);
    assert_eq!(all[0]["host"], "web");
}

#[test]
fn damage_stops_unattended_prunes_until_somebody_has_looked() {
    let fixture = Fixture::new(3);
    let names = fixture.names();
    flip(&fixture.at(&names[0], "etc/motd"));
    fixture.verify(1, &[]);
    let runs = fixture.program.json(0, &["runs"]);
    assert_eq!(runs[0]["kind"], "verify");
    assert_eq!(runs[0]["status"], "failed");
    assert!(runs[0]["message"].as_str().unwrap().contains("etc/motd"));
    fixture.program.ends(10, &["backup", "web", "--prune"]);
    assert_eq!(fixture.names().len(), 4);
    fixture.program.ends(0, &["ack", "web"]);
    // The same damage again is no news.
    fixture.verify(1, &[]);
    fixture.program.ends(0, &["backup", "web", "--prune"]);
    assert_eq!(fixture.names().len(), 2);
}

#[test]
fn a_manifest_that_is_missing_is_made_and_finds_what_comes_after() {
    let fixture = Fixture::new(2);
    let names = fixture.names();
    for name in &names {
        let manifest = format!("web/manual/{name}/manifest");
        std::fs::remove_file(fixture.program.root().join(manifest)).unwrap();
    }
    let made = fixture.verify(0, &[]);
    assert_eq!(made["snapshots"][0]["manifest_is_new"], true);
    assert_eq!(made["snapshots"][0]["manifest_with_pull"], false);
    flip(&fixture.at(&names[0], "etc/motd"));
    let found = fixture.verify(1, &[]);
    assert_eq!(snapshots_of(&found["damage"][0]), names);
}

#[test]
fn ten_samples_of_a_tenth_find_what_one_look_at_all_finds() {
    let fixture = Fixture::new(2);
    let names = fixture.names();
    flip(&fixture.at(&names[0], "etc/motd"));
    let mut found = 0;
    let mut read = 0;
    for _ in 0..10 {
        let said = fixture
            .program
            .run(&["verify", "web", "--sample", "10%", "--format", "json"]);
        let report: Value = serde_json::from_str(&said.out).unwrap();
        read += report[0]["files_read"].as_u64().unwrap();
        let damage = report[0]["damage"].as_array().unwrap().len();
        assert_eq!(said.code, i32::from(damage > 0));
        found += damage;
    }
    assert_eq!(found, 1);
    let all = fixture.verify(1, &[]);
    assert!(read >= all["files_read"].as_u64().unwrap());
}

#[test]
fn hostile_names_and_unreadable_words_are_told_apart_and_escaped() {
    let fixture = Fixture::new(1);
    let names = fixture.names();
    for name in ["odd/\u{1b}[31mred", "odd/with\nnewline"] {
        flip(&fixture.at(&names[0], name));
    }
    let said = fixture.program.ends(1, &["verify", "web"]);
    assert!(!said.out.contains('\u{1b}'));
    assert!(said.out.contains("odd/\\u{1b}[31mred"), "{}", said.out);
    assert!(said.out.contains("odd/with\\nnewline"), "{}", said.out);
    for (code, args) in [(1, ["status", "-v"]), (0, ["snapshots", "web"])] {
        let said = fixture.program.ends(code, &args);
        assert!(!said.out.contains('\u{1b}'), "{}", said.out);
    }
    fixture.program.ends(64, &["verify", "nobody"]);
    fixture
        .program
        .ends(64, &["verify", "web:20200101-000000Z__aaaaaa"]);
    fixture.program.ends(64, &["verify"]);
    fixture.program.ends(64, &["verify", "web:../x"]);
    fixture
        .program
        .ends(64, &["verify", "web", "--sample", "101%"]);
}

#[test]
fn a_damaged_file_is_brought_anew_and_older_snapshots_stay_named() {
    let fixture = Fixture::new(2);
    fixture.verify(0, &[]);
    flip(&fixture.at(&fixture.names()[0], "etc/hosts"));
    fixture.verify(1, &[]);
    // It is told wherever somebody looks.
    let status = fixture.program.json(1, &["status"]);
    let host = &status["hosts"][0];
    assert_eq!(host["verification"]["damaged_files"], 1, "{host:#}");
    assert_eq!(host["verification"]["damaged_snapshots"], 2, "{host:#}");
    let problems = host["problems"].as_array().unwrap();
    let told = problems.iter().find(|p| p["problem"] == "damaged").unwrap();
    assert!(
        told["text"].as_str().unwrap().contains("etc/hosts"),
        "{told}"
    );
    let said = fixture.program.ends(0, &["snapshots", "web"]);
    let path = format!("damaged: {}/etc/hosts (content", fixture.source.display());
    assert!(said.out.contains(&path), "{}", said.out);
    let said = fixture.program.ends(1, &["verify", "web"]);
    let path = format!("! {}/etc/hosts  content", fixture.source.display());
    assert!(said.out.contains(&path), "{}", said.out);

    let said = fixture.program.ends(0, &["retention", "web"]);
    let note = "damaged in 2 of its snapshots";
    assert!(said.out.contains(note), "{}", said.out);
    let plan = fixture.program.json(0, &["plan"]);
    let damage = &plan["retention"][0]["damage"];
    assert_eq!(
        (&damage["files"], &damage["snapshots"]),
        (&1.into(), &2.into())
    );
    for format in ["text", "markdown", "html"] {
        let said = fixture.program.ends(0, &["plan", "--format", format]);
        assert!(said.out.contains(note), "{format}: {}", said.out);
        assert!(said.out.contains("etc/hosts"), "{format}: {}", said.out);
    }

    let said = fixture.program.ends(0, &["backup", "web", "--dry-run"]);
    assert!(said.out.contains("--checksum"), "{}", said.out);
    fixture.back_up();
    let names = fixture.names();
    let text = std::fs::read(fixture.at(&names[2], "etc/hosts")).unwrap();
    assert_eq!(text, b"127.0.0.1 localhost\n");
    let inode = |name: &str| fixture.at(name, "etc/motd").metadata().unwrap().ino();
    assert_eq!(
        inode(&names[1]),
        inode(&names[2]),
        "what is whole is shared"
    );
    let log = fixture.program.data("web", "manual", &names[2]);
    let log = std::fs::read_to_string(log.parent().unwrap().join("rsync.log")).unwrap();
    assert!(log.contains("compared by its content"), "{log}");

    let found = fixture.program.json(0, &["verify", "web:latest"]);
    assert_eq!(found[0]["snapshots"].as_array().unwrap().len(), 1);
    assert_eq!(found[0]["snapshots"][0]["snapshot"], names[2].as_str());
    assert_eq!(found[0]["damage"], serde_json::json!([]));
    let found = fixture.verify(1, &[]);
    let damage = found["damage"].as_array().unwrap();
    assert_eq!(damage.len(), 1, "{found:#}");
    assert_eq!(snapshots_of(&damage[0]), names[..2]);
    assert_eq!(damage[0]["intact"]["snapshot"], names[2].as_str());
    let rows = fixture.program.json(0, &["snapshots", "web"]);
    let damaged = |at: usize| rows[at]["damaged"].as_u64().unwrap();
    assert_eq!((damaged(0), damaged(1), damaged(2)), (1, 1, 0), "{rows:#}");
    assert!(rows[2]["verified"]["at"].is_string());
    assert_eq!(rows[0]["damage"][0]["intact"], names[2].as_str());
}

#[test]
fn a_snapshot_is_named_as_in_ls_with_a_database_and_without() {
    let fixture = Fixture::new(2);
    let names = fixture.names();
    let root = fixture.program.root();
    let root = root.to_str().unwrap();
    let whole = format!("web:manual/{}", names[0]);
    let begins = format!("web:{}", &names[0][..names[0].len() - 1]);
    for pick in [whole.as_str(), begins.as_str()] {
        for more in [&[][..], &["--root", root]] {
            let args: Vec<&str> = ["verify", pick].iter().chain(more).copied().collect();
            let found = fixture.program.json(0, &args);
            let seen = found[0]["snapshots"].as_array().unwrap();
            assert_eq!(seen.len(), 1, "{args:?}: {found:#}");
            assert_eq!(seen[0]["snapshot"], names[0].as_str());
        }
    }
    // Several begin so.
    fixture
        .program
        .ends(64, &["verify", "web:2", "--root", root]);
}

#[test]
fn a_snapshot_that_is_not_there_is_told_though_no_file_of_it_can_be_read() {
    let fixture = Fixture::new(2);
    let names = fixture.names();
    let folder = fixture.program.path("root/web/manual").join(&names[0]);
    std::fs::rename(&folder, fixture.program.path("elsewhere")).unwrap();
    let said = fixture.program.ends(1, &["verify", "web"]);
    assert!(said.out.contains("1 missing"), "{}", said.out);
    assert!(said.out.contains("check --repair"), "{}", said.out);
    // Nor is the directory of the whole host.
    std::fs::rename(
        fixture.program.path("root/web"),
        fixture.program.path("web"),
    )
    .unwrap();
    let found = fixture.program.json(1, &["verify", "web"]);
    let of = found.get(0).unwrap_or(&found);
    let states = of["snapshots"].as_array().unwrap();
    assert!(states.iter().all(|s| s["state"] == "missing"), "{found}");
    assert_eq!(states.len(), 2);
}

/// Changes a digit of the digest that a manifest has for a file, and seals it anew: what a manifest was made of that was
/// changed before.
fn forge(manifest: &Path, file: &str) {
    let text = std::fs::read_to_string(manifest).unwrap();
    let at = text.find(&format!(" {file}\n")).unwrap() - 1;
    let digit = if &text[at..=at] == "0" { "1" } else { "0" };
    let text = format!("{}{digit}{}", &text[..at], &text[at + 1..]);
    let end = text.rfind("end ").unwrap();
    let names = text[end..].split(' ').nth(1).unwrap();
    let sealed = &text[..end];
    let seal = blake3::hash(sealed.as_bytes());
    std::fs::write(manifest, format!("{sealed}end {names} {seal}\n")).unwrap();
}

#[test]
fn a_manifest_that_older_ones_and_the_file_contradict_is_what_is_wrong() {
    let fixture = Fixture::new(2);
    let manifest = format!("web/manual/{}/manifest", fixture.names()[1]);
    forge(&fixture.program.root().join(manifest), "motd");
    fixture.back_up();
    let names = fixture.names();
    let found = fixture.verify(1, &[]);
    let damage = found["damage"].as_array().unwrap();
    assert_eq!(damage.len(), 1, "{found:#}");
    assert_eq!(damage[0]["problem"], "manifest");
    assert_eq!(snapshots_of(&damage[0]), names[1..]);
    let detail = damage[0]["detail"].as_str().unwrap();
    assert!(
        detail.contains("etc/motd") && detail.contains(&names[0]),
        "{detail}"
    );
    // A sample that does not come to the file does not forget it.
    for _ in 0..10 {
        fixture.program.run(&["verify", "web", "--sample", "10%"]);
        let rows = fixture.program.json(0, &["snapshots", "web"]);
        let damaged = |at: usize| rows[at]["damaged"].as_u64().unwrap();
        assert_eq!((damaged(0), damaged(1), damaged(2)), (0, 1, 1), "{rows:#}");
    }

    // The next one does not inherit it.
    fixture.program.ends(0, &["ack", "web"]);
    fixture.back_up();
    let found = fixture.verify(1, &[]);
    let damage = found["damage"].as_array().unwrap();
    assert_eq!(damage.len(), 1, "{found:#}");
    assert_eq!(snapshots_of(&damage[0]), names[1..]);

    // What rots is told all the same, of all that share it.
    flip(&fixture.at(&names[0], "etc/motd"));
    let found = fixture.verify(1, &[]);
    let damage = found["damage"].as_array().unwrap();
    assert_eq!(damage.len(), 1, "{found:#}");
    assert_eq!(damage[0]["problem"], "content");
    assert_eq!(snapshots_of(&damage[0]), fixture.names());
}
