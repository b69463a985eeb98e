//! Restores of the whole program with the real rsync: everything comes back as it was, here and on another host; what is
//! there stays; nothing needs the database.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::program::{Program, names_below};
use common::{Sshd, assert_same_tree, build_tree, is_root};

/// A host whose source is `source` in the folder of the program, and another one to restore to.
struct Fixture {
    program: Program,
    source: PathBuf,
    sshd: Sshd,
    /// Has a key of its own, lets in another one, and its `/srv` is `srv` in the folder of the program, for root.
    spare: Sshd,
}

impl Fixture {
    fn new() -> Self {
        Self::with("")
    }

    fn with(host_settings: &str) -> Self {
        let program = Program::new();
        let srv = program.path("srv");
        std::fs::create_dir(&srv).unwrap();
        let fixture = Self {
            source: PathBuf::new(),
            program,
            sshd: Sshd::start(),
            spare: match is_root() {
                true => Sshd::with_srv(&srv),
                false => Sshd::start(),
            },
        };
        let source = fixture.program.path("source");
        std::fs::create_dir(&source).unwrap();
        let text = format!(
            "global {{ backup-root \"ROOT\"; ssh {{ port {}; identity \"{}\"; known-hosts \"{}\" }} }}\n\
             host \"web\" {{ address \"127.0.0.1\"; source \"{}\"\n {host_settings}\n retention {{ keep last=1; kinds \"manual\" }} }}\n\
             host \"spare\" {{ address \"127.0.0.1\"; source \"/etc/hostname\"\n ssh {{ port {}; identity \"{}\"; known-hosts \"{}\" }} }}",
            fixture.sshd.port,
            fixture.sshd.identity.display(),
            fixture.sshd.known_hosts.display(),
            source.display(),
            fixture.spare.port,
            fixture.spare.identity.display(),
            fixture.spare.known_hosts.display(),
        );
        fixture.program.write("pobsync.kdl", &text);
        fixture.program.ends(0, &["init"]);
        fixture.program.ends(0, &["apply", "--yes"]);
        Self { source, ..fixture }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.source.join(name), text).unwrap();
    }

    fn back_up(&self) -> String {
        self.program.ends(0, &["backup", "web"]);
        self.program.visible("web", "manual").pop().unwrap()
    }

    fn source(&self) -> &str {
        self.source.to_str().unwrap()
    }

    /// Where the source lands below a target.
    fn below(&self, target: &Path) -> PathBuf {
        target.join(self.source.strip_prefix("/").unwrap())
    }
}

#[test]
fn everything_comes_back_as_it_was_here_and_on_another_host() {
    let fixture = Fixture::with("rsync { specials #true }");
    build_tree(&fixture.source);
    if is_root() {
        for (name, how) in [("fifo", &["p"][..]), ("device", &["c", "1", "3"])] {
            let made = Command::new("mknod")
                .arg(fixture.source.join(name))
                .args(how)
                .status();
            assert!(made.unwrap().success());
        }
    }
    fixture.back_up();
    let program = &fixture.program;
    let here = program.path("here");
    let (there, at_host) = match is_root() {
        true => (program.path("srv/there"), "spare:/srv/there".to_owned()),
        false => {
            let there = program.path("there");
            (there.clone(), format!("spare:{}", there.display()))
        }
    };
    for to in [["--to", here.to_str().unwrap()], ["--to-host", &at_host]] {
        let said = program.ends(0, &["restore", "web", fixture.source(), to[0], to[1]]);
        assert!(said.out.starts_with("Restored from web:"), "{}", said.out);
        assert_eq!(said.err, "");
    }
    assert_same_tree(&fixture.source, &fixture.below(&here));
    assert_same_tree(&fixture.source, &fixture.below(&there));
    assert!(!Path::new("/srv/there").exists(), "it went to this machine");
    let sparse = fixture.below(&there).join("sparse").metadata().unwrap();
    assert!(sparse.blocks() < 100, "{} blocks", sparse.blocks());
    assert!(!program.path("pwned").exists());

    // Once more: all of it is there already.
    let again = program.json(
        0,
        &[
            "restore",
            "web",
            fixture.source(),
            "--to",
            here.to_str().unwrap(),
        ],
    );
    assert_eq!(again["restored"]["made"], 0, "{again}");
    assert_eq!(again["restored"]["differs"], 0, "{again}");
    assert!(again["restored"]["same"].as_u64().unwrap() > 20, "{again}");
    assert_eq!(again["outcome"], "done");

    // A list of hostile names stays one line a name, and no escape reaches the terminal.
    let listed = program.ends(
        0,
        &["restore", "web", "/", "--dry-run", "--to", "/nonexistent"],
    );
    assert!(!listed.out.contains('\x1b'), "{}", listed.out);
    assert!(
        listed
            .out
            .lines()
            .all(|line| line.starts_with("+ /") || line.starts_with("Would restore from web:")),
        "{}",
        listed.out
    );
    for name in [
        "with\\nnewline",
        "\\xff\\xfe not utf-8",
        "é漢字",
        "\\u{1b}[31mred",
    ] {
        let line = format!("+ {}/{name}", fixture.source());
        assert!(listed.out.contains(&line), "{line}: {}", listed.out);
    }
    assert!(!Path::new("/nonexistent").exists());
}

#[test]
fn what_is_there_stays_and_is_told_until_somebody_says_overwrite() {
    let fixture = Fixture::new();
    fixture.write("same", "the same");
    fixture.write("other", "as backed up");
    fixture.write("new", "new");
    for dir in ["becomes a file", "dir"] {
        std::fs::create_dir(fixture.source.join(dir)).unwrap();
        std::fs::write(fixture.source.join(dir).join("inside"), "x").unwrap();
    }
    fixture.write("becomes a dir", "file");
    symlink("target", fixture.source.join("link")).unwrap();
    fixture.back_up();

    std::fs::remove_file(fixture.source.join("new")).unwrap();
    fixture.write("other", "another one");
    std::fs::remove_dir_all(fixture.source.join("becomes a file")).unwrap();
    fixture.write("becomes a file", "mine");
    std::fs::remove_file(fixture.source.join("becomes a dir")).unwrap();
    std::fs::create_dir(fixture.source.join("becomes a dir")).unwrap();
    std::fs::write(fixture.source.join("becomes a dir/precious"), "p").unwrap();
    let restore = ["restore", "web", fixture.source(), "--to", "/"];
    let dry = [&restore[..], &["--dry-run"]].concat();
    let look = fixture.program.ends(13, &dry);
    assert!(!fixture.source.join("new").exists());
    let said = fixture.program.ends(13, &restore);
    assert_eq!(look.err, said.err);
    // rsync's own words are not for people.
    assert!(!said.err.contains("rsync"), "{}", said.err);
    assert!(
        said.out.contains("1 that belong below them left out"),
        "{}",
        said.out
    );
    assert_eq!(
        std::fs::read_to_string(fixture.source.join("new")).unwrap(),
        "new"
    );
    for (name, text) in [("other", "another one"), ("becomes a file", "mine")] {
        let now = std::fs::read_to_string(fixture.source.join(name)).unwrap();
        assert_eq!(now, text, "{name}");
        assert!(
            said.err
                .contains(&format!("stays: {}/{name}", fixture.source())),
            "{}",
            said.err
        );
    }
    assert!(fixture.source.join("becomes a dir/precious").exists());

    // Nothing that holds something is deleted even then, and a dry run says so.
    let overwrite = [&restore[..], &["--overwrite"]].concat();
    let dry = [&overwrite[..], &["--dry-run"]].concat();
    let counted = fixture.program.json(13, &dry)["restored"].clone();
    let look = fixture.program.ends(13, &dry);
    let line = format!("~ {}/becomes a file/  in the place of", fixture.source());
    assert!(look.out.contains(&line), "{}", look.out);
    let said = fixture.program.ends(13, &overwrite);
    assert_eq!(look.err, said.err);
    assert!(!said.err.contains("make way for new"), "{}", said.err);
    assert_eq!(
        (
            &counted["made"],
            &counted["replaced"],
            &counted["other_kind"]
        ),
        (&1.into(), &2.into(), &1.into()),
        "{counted}"
    );
    assert_eq!(
        counted["first_differing"],
        serde_json::json!([
            {"path": format!("{}/becomes a dir", fixture.source()), "reason": "not-empty"}
        ])
    );
    assert!(
        said.out.contains("2 replaced (1 of another kind)"),
        "{}",
        said.out
    );
    assert!(fixture.source.join("becomes a dir/precious").exists());
    assert!(said.err.contains("becomes a dir"), "{}", said.err);
    assert_eq!(
        std::fs::read_to_string(fixture.source.join("other")).unwrap(),
        "as backed up"
    );
    assert!(fixture.source.join("becomes a file/inside").exists());
    std::fs::remove_dir_all(fixture.source.join("becomes a dir")).unwrap();
    fixture
        .program
        .ends(0, &[&restore[..], &["--overwrite"]].concat());
    fixture.program.ends(0, &restore);
}

#[test]
fn hard_links_come_back_where_some_of_their_names_are_there_already() {
    let fixture = Fixture::new();
    let path = |name: &str| format!("{}/{name}", fixture.source());
    for dir in ["a", "b"] {
        std::fs::create_dir(fixture.source.join(dir)).unwrap();
    }
    for n in 0..3 {
        fixture.write(&format!("a/{n}"), "a conf");
        for other in ["b/*[x]\n", "b/"] {
            std::fs::hard_link(path(&format!("a/{n}")), path(&format!("{other}{n}"))).unwrap();
        }
    }
    fixture.back_up();
    let program = &fixture.program;
    let at_host = match is_root() {
        true => "spare:/srv/there".to_owned(),
        false => format!("spare:{}", program.path("srv/there").display()),
    };
    let links = |path: &Path| path.symlink_metadata().unwrap().nlink();
    for (target, to, flat) in [
        ("here", ["--to", "here"], false),
        ("flat", ["--to", "flat"], true),
        ("srv/there", ["--to-host", &at_host], false),
    ] {
        let target = program.path(target);
        let below = |name: &str| match flat {
            true => target.join(name),
            false => fixture.below(&target).join(name),
        };
        let run = |code: i32, paths: &[String], more: &[&str]| {
            let mut args = vec!["restore", "web"];
            args.extend(paths.iter().map(String::as_str));
            args.extend(to);
            args.extend(flat.then_some("--flat"));
            args.extend(more);
            program.json(code, &args)["restored"].clone()
        };
        let (parts, whole) = match flat {
            true => (vec![path("a")], vec![path("a"), path("b")]),
            false => (vec![path("a/0"), path("a/1"), path("a/2")], vec![path("")]),
        };
        run(0, &parts, &[]);
        let told = run(0, &whole, &[]);
        // Of each file the two names that have come now.
        assert_eq!(told["joined"], 6, "{told}");
        for n in 0..3 {
            assert_eq!(links(&below(&format!("a/{n}"))), 3, "{n}");
        }
        for dir in ["a", "b"] {
            let time = |path: &Path| path.metadata().unwrap().modified().unwrap();
            assert_eq!(time(&below(dir)), time(&fixture.source.join(dir)), "{dir}");
        }
        assert_eq!(run(0, &whole, &[])["joined"], 0);

        // What is another one in secret stays another one, and is told.
        let (odd, good) = (below("b/0"), below("b/1"));
        for (name, text) in [(&odd, "b conf"), (&good, "a conf")] {
            let time = name.metadata().unwrap().modified().unwrap();
            std::fs::remove_file(name).unwrap();
            std::fs::write(name, text).unwrap();
            let file = std::fs::File::options().write(true).open(name).unwrap();
            file.set_modified(time).unwrap();
        }
        let mut would = run(13, &whole, &["--dry-run"]);
        assert_eq!(links(&good), 1);
        let told = run(13, &whole, &[]);
        assert_eq!(told, would);
        assert_eq!((&told["joined"], &told["differs"]), (&1.into(), &1.into()));
        assert_eq!(told["first_differing"][0]["reason"], "apart", "{told}");
        assert_eq!(std::fs::read_to_string(&odd).unwrap(), "b conf");
        assert_eq!((links(&odd), links(&good)), (1, 3));
        would = run(0, &whole, &["--overwrite"]);
        assert_eq!(would["differs"], 0, "{would}");
        assert_eq!(links(&odd), 3);
        assert_eq!(std::fs::read_to_string(&odd).unwrap(), "a conf");
    }
}

#[test]
fn a_dry_run_tells_hard_links_by_their_names() {
    let fixture = Fixture::new();
    fixture.write("a", "x");
    std::fs::hard_link(fixture.source.join("a"), fixture.source.join("b c")).unwrap();
    fixture.back_up();
    let program = &fixture.program;
    let a = format!("{}/a", fixture.source());
    let b = format!("{}/b c", fixture.source());
    for path in [&a, &b] {
        program.ends(0, &["restore", "web", path, "--to", "here"]);
    }
    let to_host = format!("spare:{}", program.path("here").display());
    let mut targets = vec![["--to", "here"]];
    if !is_root() {
        targets.push(["--to-host", &to_host]);
    }
    for to in targets {
        for more in [&["--dry-run"][..], &["--dry-run", "--overwrite"]] {
            let args = [&["restore", "web", fixture.source()], &to[..], more].concat();
            let said = program.ends(0, &args);
            let line = format!("~ {b}  a hard link again\n");
            assert!(said.out.starts_with(&line), "{}", said.out);
            assert!(
                said.out.contains("; 1 hard link joined again"),
                "{}",
                said.out
            );
        }
    }
}

#[test]
fn overwriting_looks_at_the_content_and_not_at_the_time() {
    let fixture = Fixture::new();
    fixture.write("file", "good");
    fixture.back_up();
    let path = fixture.source.join("file");
    let time = path.metadata().unwrap().modified().unwrap();
    fixture.write("file", "evil");
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(time).unwrap();
    fixture.program.ends(
        0,
        &[
            "restore",
            "web",
            fixture.source(),
            "--to",
            "/",
            "--overwrite",
        ],
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "good");
}

#[test]
fn what_leads_to_it_is_made_as_it_was_and_stays_as_it_is_where_it_exists() {
    let fixture = Fixture::new();
    std::fs::create_dir_all(fixture.source.join("a/b")).unwrap();
    std::fs::write(fixture.source.join("a/b/file"), "x").unwrap();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(&fixture.source.join("a"), 0o751);
    fixture.back_up();
    let target = fixture.program.path("target");
    let file = format!("{}/a/b/file", fixture.source());
    let to = target.to_str().unwrap();
    fixture
        .program
        .ends(0, &["restore", "web", &file, "--to", to]);
    let there = fixture.below(&target);
    let attributes = |path: &Path| {
        let m = path.metadata().unwrap();
        (m.mode(), m.mtime(), m.mtime_nsec())
    };
    for dir in ["a", "a/b"] {
        assert_eq!(
            attributes(&there.join(dir)),
            attributes(&fixture.source.join(dir)),
            "{dir}"
        );
    }
    std::fs::remove_file(there.join("a/b/file")).unwrap();
    mode(&there.join("a"), 0o700);
    fixture
        .program
        .ends(0, &["restore", "web", &file, "--to", to]);
    assert_eq!(attributes(&there.join("a")).0 & 0o7777, 0o700);

    fixture
        .program
        .ends(0, &["restore", "web", &file, "--flat", "--to", to]);
    assert!(target.join("file").exists());

    // A link that somebody put there leads nobody elsewhere.
    std::fs::remove_dir_all(there.join("a")).unwrap();
    let elsewhere = fixture.program.path("elsewhere");
    std::fs::create_dir_all(elsewhere.join("b")).unwrap();
    symlink(&elsewhere, there.join("a")).unwrap();
    for more in [&[][..], &["--overwrite"]] {
        let args = [&["restore", "web", &file, "--to", to][..], more].concat();
        let said = fixture.program.ends(1, &args);
        assert!(said.err.contains("is not a directory"), "{}", said.err);
    }
    assert!(names_below(&elsewhere.join("b")).is_empty());
}

#[test]
fn a_root_alone_is_enough() {
    let fixture = Fixture::new();
    fixture.write("file", "x");
    let name = fixture.back_up();
    std::fs::remove_dir_all(fixture.program.path("state")).unwrap();
    let file = format!("{}/file", fixture.source());
    let said = fixture
        .program
        .ends(69, &["restore", "web", &file, "--to", "back"]);
    assert!(said.err.contains("--root DIR"), "{}", said.err);
    // Not even the marker is needed, and a host goes by the name that it has now.
    std::fs::remove_file(fixture.program.root().join(".pobsync-root")).unwrap();
    std::fs::rename(
        fixture.program.root().join("web"),
        fixture.program.root().join("older-name"),
    )
    .unwrap();
    for (from, to) in [
        ("web".to_owned(), "one"),
        (format!("web:{}", &name[..15]), "two"),
        (format!("older-name:manual/{name}"), "three"),
    ] {
        let args = ["restore", &from, &file, "--root", "root", "--to", to];
        fixture.program.ends(0, &args);
        let back = fixture.below(&fixture.program.path(to)).join("file");
        assert_eq!(std::fs::read_to_string(back).unwrap(), "x");
    }
    // How a host is reached stands in the file, too.
    let at_host = format!("spare:{}", fixture.program.path("four").display());
    let args = [
        "restore",
        "web",
        &file,
        "--root",
        "root",
        "--to-host",
        &at_host,
    ];
    fixture.program.ends(0, &args);
    assert!(
        fixture
            .below(&fixture.program.path("four"))
            .join("file")
            .exists()
    );
    std::fs::remove_file(fixture.program.path("pobsync.kdl")).unwrap();
    let said = fixture.program.ends(64, &args);
    assert!(said.err.contains("--file"), "{}", said.err);
}

#[test]
fn what_cannot_be_found_is_told_with_what_can() {
    let fixture = Fixture::new();
    fixture.write("gone", "x");
    let first = fixture.back_up();
    std::fs::remove_file(fixture.source.join("gone")).unwrap();
    fixture.write("stays", "y");
    symlink("stays", fixture.source.join("link")).unwrap();
    let second = fixture.back_up();
    let program = &fixture.program;
    let path = |name: &str| format!("{}/{name}", fixture.source());
    let says = |code: i32, from: &str, name: &str, words: &str| {
        let args = ["restore", from, &path(name), "--to", "back"];
        let said = program.ends(code, &args);
        assert!(said.err.contains(words), "{words}: {}", said.err);
    };
    says(64, "web", "gone", &format!("holds it is {first}"));
    says(64, "web", "never", "no other snapshot holds it");
    says(64, "web", "link/x", "a link to stays");
    says(64, "web", "../x", "is no path of a snapshot");
    says(64, "webb", "stays", "did you mean web?");
    says(64, "web:2", "stays", "the beginning of 2 snapshots");
    says(64, "web:1999", "stays", "has no snapshot 1999");
    let args = [
        "restore",
        "web",
        "/",
        "--as-of",
        "1999-01-01T00:00:00Z",
        "--to",
        "back",
    ];
    let said = program.ends(64, &args);
    assert!(said.err.contains("the oldest is of"), "{}", said.err);
    let root = program.root().join("inside");
    let args = ["restore", "web", "/", "--to", root.to_str().unwrap()];
    assert!(
        program
            .ends(10, &args)
            .err
            .contains("inside the backup root")
    );
    let time = |name: &str| {
        let rows = program.json(0, &["snapshots"]);
        let rows = rows.as_array().unwrap().clone();
        let row = rows.into_iter().find(|row| row["name"] == name);
        row.unwrap()["started_at"].as_str().unwrap().to_owned()
    };
    // The second that a name says is enough.
    let (day, hour) = second.split_at(8);
    let named = format!(
        "{}-{}-{}T{}:{}:{}Z",
        &day[..4],
        &day[4..6],
        &day[6..],
        &hour[1..3],
        &hour[3..5],
        &hour[5..7]
    );
    for (at, name) in [
        (time(&first), &first),
        (time(&second), &second),
        (named, &second),
    ] {
        let args = [
            "restore",
            "web",
            "/",
            "--as-of",
            &at,
            "--dry-run",
            "--to",
            "back",
        ];
        assert_eq!(program.json(0, &args)["snapshot"], name.as_str());
    }
    assert!(!program.path("back").exists());
    // A variable that was not set must not stand for everything.
    let said = program.ends(64, &["restore", "web", "", "--to", "back"]);
    assert!(said.err.contains("empty path"), "{}", said.err);
    let (named, at) = (format!("web:{first}"), "2026-11-25T04:03:00Z");
    let args = ["restore", &named, "/", "--to", "back", "--as-of", at];
    let said = program.ends(64, &args);
    assert!(said.err.contains("one of the two"), "{}", said.err);
}

#[test]
fn no_prune_takes_a_snapshot_away_while_somebody_restores_from_it() {
    let fixture = Fixture::new();
    fixture.write("file", "x");
    let first = fixture.back_up();
    fixture.back_up();
    let snapshot = fixture.program.root().join("web/manual").join(&first);
    // What a restore holds while it reads.
    let mut reader = Command::new("flock")
        .args(["--shared", "--no-fork"])
        .arg(&snapshot)
        .args(["sh", "-c", "echo held; exec sleep 600"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut held = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(reader.stdout.take().unwrap()),
        &mut held,
    )
    .unwrap();
    let prune = ["retention", "web", "--apply", "--yes"];
    let said = fixture.program.ends(13, &prune);
    assert!(
        said.err.contains("somebody restores from it"),
        "{}",
        said.err
    );
    assert!(snapshot.exists());
    // Backups go on.
    fixture.back_up();
    reader.kill().unwrap();
    reader.wait().unwrap();
    fixture.program.ends(0, &prune);
    assert!(!snapshot.exists());
}

#[test]
fn a_full_target_is_told_before_it_is_full_and_a_second_run_goes_on() {
    if !is_root() {
        return;
    }
    let fixture = Fixture::new();
    for name in ["a", "b", "c"] {
        fixture.write(name, &name.repeat(400_000));
    }
    fixture.back_up();
    let target = fixture.program.path("small");
    std::fs::create_dir(&target).unwrap();
    mount_at(&target, "size=1m");
    let restore = [
        "restore",
        "web",
        fixture.source(),
        "--flat",
        "--to",
        target.to_str().unwrap(),
    ];
    for dry in [&["--dry-run"][..], &[]] {
        let args = [&restore[..], dry].concat();
        let said = fixture.program.ends(10, &args);
        assert!(said.err.contains("would be written"), "{}", said.err);
    }
    assert!(names_below(&target).is_empty());
    // A host says nothing before, and then what came to be.
    let to = format!("web:{}", target.display());
    let args = [
        "restore",
        "web",
        fixture.source(),
        "--flat",
        "--to-host",
        &to,
    ];
    let told = fixture.program.json(1, &args);
    let message = told["message"].as_str().unwrap();
    assert!(message.contains("the target is full"), "{told}");
    // The directory and two files.
    assert_eq!(told["restored"]["made"], 3, "{told}");
    assert_eq!(told["restored"]["bytes"], 800_000, "{told}");
    let said = fixture.program.ends(1, &args);
    assert!(said.err.contains("the target is full"), "{}", said.err);
    // Where it goes is another disk than where the target begins.
    let below = target.join("source");
    std::fs::remove_dir_all(&below).unwrap();
    std::fs::create_dir(&below).unwrap();
    mount_at(&below, "size=4m");
    fixture.program.ends(0, &restore);
    assert_same_tree(&fixture.source, &below);
    unmount(&below);
    // One that takes no writes at all.
    unmount(&target);
    mount_at(&target, "ro");
    for quiet in [&[][..], &["--quiet"]] {
        let said = fixture.program.ends(1, &[&restore[..], quiet].concat());
        assert!(said.out.starts_with("Restored nothing"), "{}", said.out);
        assert!(said.err.contains("Read-only file system"), "{}", said.err);
    }
    // One that is cut off for another reason: files may not be that large.
    let said = fixture.program.run_under(
        &["prlimit", "--fsize=300000"],
        &[
            &restore[..5],
            &[fixture.program.path("cut").to_str().unwrap()],
        ]
        .concat(),
    );
    assert_ne!(said.code, 0, "{}{}", said.out, said.err);
    let cut = fixture.program.path("cut");
    fixture
        .program
        .ends(0, &[&restore[..5], &[cut.to_str().unwrap()]].concat());
    assert_same_tree(&fixture.source, &cut.join("source"));
    unmount(&target);
}

fn mount_at(place: &Path, options: &str) {
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", options, "none"]);
    assert!(command.arg(place).status().unwrap().success());
}

fn unmount(place: &Path) {
    let done = Command::new("umount").arg(place).status();
    assert!(done.unwrap().success());
}

#[test]
fn a_long_link_deep_down_keeps_nobody_from_restoring() {
    let fixture = Fixture::new();
    // rsync gives up on a line that holds both paths, and /proc/self/fd leads to a directory whose path is that long.
    let mut deep = std::fs::File::open(&fixture.source).unwrap();
    for _ in 0..8 {
        let name = "d".repeat(200);
        rustix::fs::mkdirat(&deep, &name, 0o755.into()).unwrap();
        let flags = rustix::fs::OFlags::DIRECTORY;
        let below = rustix::fs::openat(&deep, &name, flags, rustix::fs::Mode::empty()).unwrap();
        deep = below.into();
    }
    rustix::fs::symlinkat("x".repeat(4000), &deep, "link").unwrap();
    fixture.back_up();
    let back = fixture.program.path("back");
    let args = ["restore", "web", fixture.source(), "--to"];
    let said = fixture
        .program
        .ends(0, &[&args[..], &[back.to_str().unwrap()]].concat());
    assert!(said.out.contains(": 10 new"), "{}", said.out);
    assert_same_tree(&fixture.source, &fixture.below(&back));
}

#[test]
fn what_is_known_to_be_damaged_is_told_before_it_is_restored() {
    let fixture = Fixture::new();
    fixture.write("bad", "as it was");
    fixture.write("good", "good");
    let first = fixture.back_up();
    let program = &fixture.program;
    // The next one has an inode of its own, since the file was touched.
    std::fs::remove_file(fixture.source.join("bad")).unwrap();
    fixture.write("bad", "as it was");
    let second = fixture.back_up();
    let data = program.data("web", "manual", &second);
    flip(&fixture.below(&data).join("bad"));
    program.ends(1, &["verify", "web"]);

    let (bad, good) = (
        format!("{}/bad", fixture.source()),
        format!("{}/good", fixture.source()),
    );
    program.ends(0, &["restore", "web", &good, "--to", "one"]);
    let of_first = format!("web:{first}");
    program.ends(0, &["restore", &of_first, &bad, "--to", "two"]);
    for (path, dry) in [(&*bad, true), (fixture.source(), false), ("/", true)] {
        let dry = if dry { &["--dry-run"][..] } else { &[] };
        let args = [&["restore", "web", path, "--to", "three"], dry].concat();
        let said = program.ends(13, &args);
        let warning = format!("warning: {bad} is damaged in {second}: ");
        assert!(said.err.contains(&warning), "{}", said.err);
        let said_quietly = program.ends(13, &[&args[..], &["--quiet"]].concat());
        assert!(said_quietly.err.contains(&warning), "{}", said_quietly.err);
        let whole = format!("a whole copy, maybe of another version, is in {first} (manual)");
        assert!(said.err.contains(&whole), "{}", said.err);
        assert!(
            said.out.contains("Damaged in that snapshot"),
            "{}",
            said.out
        );
    }
    let told = program.json(13, &["restore", "web", &bad, "--to", "three", "--dry-run"]);
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../schema/restore.schema.json")).unwrap();
    jsonschema::validate(&schema, &told).unwrap();
    assert_eq!(told["damage"][0]["path"], *bad, "{told}");
    let intact = serde_json::json!({"kind": "manual", "snapshot": first});
    assert_eq!(told["damage"][0]["intact"], intact, "{told}");
    assert!(told["suspect"].as_str().unwrap().contains("verification"));

    // Without a database, what lies beside the snapshot tells that much.
    let root = ["restore", "web", &bad, "--root", "root", "--to", "four"];
    assert!(program.json(0, &root)["suspect"].is_string());
    let said = program.ends(0, &root);
    assert!(said.err.contains("is suspect"), "{}", said.err);
    // A copy that is gone is none.
    std::fs::remove_dir_all(program.root().join("web/manual").join(&first)).unwrap();
    let said = program.ends(13, &["restore", "web", &bad, "--to", "five"]);
    assert!(
        said.err.contains("no whole copy of it is known"),
        "{}",
        said.err
    );
}

#[test]
fn a_path_that_damage_leads_away_from_is_told_with_the_damage() {
    let fixture = Fixture::new();
    std::fs::create_dir_all(fixture.source.join("dir/below")).unwrap();
    fixture.write("dir/below/inner", "as it was");
    let first = fixture.back_up();
    let program = &fixture.program;
    let second = fixture.back_up();
    let dir = fixture
        .below(&program.data("web", "manual", &second))
        .join("dir");
    std::fs::remove_dir_all(&dir).unwrap();
    symlink("/etc", &dir).unwrap();
    program.ends(1, &["verify", "web"]);

    let inner = format!("{}/dir/below/inner", fixture.source());
    let said = program.ends(1, &["restore", "web", &inner, "--to", "there"]);
    let damaged = format!("{inner} is damaged: it is not there");
    for word in [
        "leads through",
        &damaged,
        &format!("{first} holds it whole"),
    ] {
        assert!(said.err.contains(word), "{word}: {}", said.err);
    }
    // What is no damage is a path as ever.
    let nothing = format!("{}/nothing", fixture.source());
    let said = program.ends(64, &["restore", "web", &nothing, "--to", "there"]);
    assert!(!said.err.contains("damaged"), "{}", said.err);
}

#[test]
fn a_name_is_taken_as_listings_show_it() {
    let fixture = Fixture::new();
    fixture.write("new\nline\u{1b}", "one");
    fixture.write("new\\nline", "two");
    fixture.back_up();
    let program = &fixture.program;
    let shown = format!("{}/new\\nline\\u{{1b}}", fixture.source());
    let listed = program.ends(0, &["ls", "web", fixture.source()]);
    assert!(listed.out.contains("new\\nline\\u{1b}"), "{}", listed.out);
    assert!(listed.out.contains("new\\\\nline"), "{}", listed.out);
    program.ends(0, &["ls", "web", &shown]);
    program.ends(0, &["restore", "web", &shown, "--flat", "--to", "there"]);
    let there = |name: &str| std::fs::read_to_string(program.path("there").join(name));
    assert_eq!(there("new\nline\u{1b}").unwrap(), "one");
    let literal = format!("{}/new\\\\nline", fixture.source());
    program.ends(0, &["restore", "web", &literal, "--flat", "--to", "there"]);
    assert_eq!(there("new\\nline").unwrap(), "two");

    // A host may have a name that looks like another one is shown.
    fixture.write("a\nb", "one");
    fixture.write("a\\nb", "two");
    fixture.back_up();
    let both = format!("{}/a\\nb", fixture.source());
    for args in [
        &["restore", "web", &both, "--flat", "--to", "there"][..],
        &["ls", "web", &both],
    ] {
        let said = program.ends(64, args);
        assert!(said.err.contains("may be two names"), "{}", said.err);
    }
    let first = format!("{}/a\\\\nb", fixture.source());
    program.ends(0, &["restore", "web", &first, "--flat", "--to", "there"]);
    assert_eq!(there("a\\nb").unwrap(), "two");
    let other = format!("{}/a\nb", fixture.source());
    program.ends(0, &["restore", "web", &other, "--flat", "--to", "there"]);
    assert_eq!(there("a\nb").unwrap(), "one");
}

#[test]
fn nobody_restores_over_this_machine_without_saying_so() {
    let fixture = Fixture::new();
    fixture.write("file", "x");
    let program = &fixture.program;
    let text = std::fs::read_to_string(program.path("pobsync.kdl")).unwrap();
    let here = "\nhost \"here\" { address \"local\"; source \"/etc/hostname\" }";
    program.write("pobsync.kdl", &(text + here));
    program.ends(0, &["apply", "--yes"]);
    fixture.back_up();
    let target = program.path("target");
    let to = format!("here:{}", target.display());
    let said = program.ends(64, &["restore", "web", "/", "--to-host", &to]);
    let help = format!("restore with --to {}", target.display());
    assert!(said.err.contains(&help), "{}", said.err);
    assert!(!target.exists());

    std::fs::remove_file(fixture.source.join("file")).unwrap();
    let whole = ["restore", "web", "/", "--to", "/../", "--overwrite"];
    let said = program.ends(10, &whole);
    assert!(
        said.err.contains("name what is to come back"),
        "{}",
        said.err
    );
    assert!(!fixture.source.join("file").exists());
    let dry = [&whole[..], &["--dry-run"]].concat();
    // A dry run promises nothing that is refused then.
    let refused = program.ends(10, &dry);
    assert_eq!((refused.out, refused.err), (String::new(), said.err));
    let named = ["restore", "web", fixture.source(), "--to", "/"];
    program.ends(0, &[&named[..], &["--overwrite"]].concat());
    assert!(fixture.source.join("file").exists());
}

#[test]
fn a_key_that_may_only_write_is_enough_and_one_that_may_only_read_is_told() {
    let fixture = Fixture::new();
    fixture.write("file\nname", "x");
    fixture.back_up();
    let program = &fixture.program;
    let there = program.path("there");
    std::fs::create_dir(&there).unwrap();
    let tied = |how: &str, to: &str| {
        let sshd = Sshd::with_forced_command(&format!("rrsync {how} {}", there.display()));
        let config = program.path("pobsync.kdl");
        let text = std::fs::read_to_string(&config).unwrap();
        let host = format!(
            "\nhost \"tied{how}\" {{ address \"127.0.0.1\"; source \"/etc/hostname\"; rsync {{ secluded-args #false }}\n\
             ssh {{ port {}; identity \"{}\"; known-hosts \"{}\" }} }}",
            sshd.port,
            sshd.identity.display(),
            sshd.known_hosts.display(),
        );
        program.write("pobsync.kdl", &(text + &host));
        program.ends(0, &["apply", "--yes"]);
        let to = format!("tied{how}:{to}");
        program.run(&["restore", "web", fixture.source(), "--to-host", &to])
    };
    let said = tied("-ro", "/");
    assert_eq!(said.code, 1);
    assert!(said.err.contains("may only read"), "{}", said.err);
    let said = tied("-wo", "/");
    assert_eq!(said.code, 0, "{}", said.err);
    assert_same_tree(&fixture.source, &fixture.below(&there));
}

#[test]
fn a_restore_that_is_stopped_tells_what_it_had_written() {
    let fixture = Fixture::new();
    let program = &fixture.program;
    let text = std::fs::read_to_string(program.path("pobsync.kdl")).unwrap();
    let slow = text.replace(
        "source \"/etc/hostname\"",
        "source \"/etc/hostname\"; rsync { bwlimit \"64KiB\" }",
    );
    program.write("pobsync.kdl", &slow);
    program.ends(0, &["apply", "--yes"]);
    fixture.write("a", "first");
    let noise: Vec<u8> = (0..8_000_000u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect();
    std::fs::write(fixture.source.join("b"), noise).unwrap();
    fixture.back_up();
    let there = program.path("there");
    let to = format!("spare:{}", there.display());
    let args = ["restore", "web", fixture.source(), "--to-host", &to];
    let mut command = program.command(&[&args[..], &["--format", "json"]].concat());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    while !fixture.below(&there).join("a").exists() {
        std::thread::yield_now();
    }
    let id = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let said = child.wait_with_output().unwrap();
    assert_eq!(said.status.code(), Some(1));
    let told: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(told["outcome"], "failed", "{told}");
    assert_eq!(told["restored"]["bytes"], 5, "{told}");
    // The directory and the first file.
    assert_eq!(told["restored"]["made"], 2, "{told}");
    assert!(!fixture.below(&there).join("b").exists());
}

/// Changes the first byte of a file, and nothing else of it.
fn flip(path: &Path) {
    let modified = path.metadata().unwrap().modified().unwrap();
    let mut bytes = std::fs::read(path).unwrap();
    *bytes.first_mut().unwrap() ^= 1;
    let file = std::fs::File::options().write(true).open(path).unwrap();
    std::io::Write::write_all(&mut &file, &bytes).unwrap();
    file.set_modified(modified).unwrap();
}
