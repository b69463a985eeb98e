//! Moving in from the older service: its YAML, its snapshots, and the way back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use common::Sshd;
use common::program::Program;

const OLD: &str = "20260101-021500Z__aaaaaa";
const NEW: &str = "20260102-021500Z__bbbbbb";
const FAILED: &str = "20260103-021500Z__cccccc";

/// The prefix of the older service with `global.yaml` and one host.
fn service(program: &Program, global: &str, host: &str) -> PathBuf {
    let prefix = program.path("old");
    std::fs::create_dir_all(prefix.join("config/hosts")).unwrap();
    let global = global.replace("ROOT", program.root().to_str().unwrap());
    std::fs::write(prefix.join("config/global.yaml"), global).unwrap();
    std::fs::write(prefix.join("config/hosts/web-01.yaml"), host).unwrap();
    prefix
}

/// A snapshot as the older service left it.
fn snapshot(program: &Program, name: &str, source: &Path, base: Option<&str>) -> PathBuf {
    let folder = program.root().join("web-01/scheduled").join(name);
    let data = folder.join("data").join(source.strip_prefix("/").unwrap());
    std::fs::create_dir_all(data.parent().unwrap()).unwrap();
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .arg(source)
        .arg(&data)
        .status();
    assert!(copied.unwrap().success());
    std::fs::create_dir(folder.join("meta")).unwrap();
    let base = base.map_or("null".to_owned(), |base| {
        format!("\n  kind: scheduled\n  dirname: {base}")
    });
    let meta = format!("id: {name}\nhost: web-01\nstatus: success\nbase: {base}\n");
    std::fs::write(folder.join("meta/meta.yaml"), meta).unwrap();
    data
}

/// Every file below `folder` with its content and the time of its last change.
fn everything(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, i64, i64)> {
    let mut found = BTreeMap::new();
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let meta = path.symlink_metadata().unwrap();
        if meta.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        }
        let content = if meta.is_file() {
            std::fs::read(&path).unwrap()
        } else {
            Vec::new()
        };
        found.insert(path, (content, meta.ctime(), meta.ctime_nsec()));
    }
    found
}

#[test]
fn a_server_moves_in_and_its_next_backup_is_linked_against_the_old_ones() {
    let sshd = Sshd::start();
    let program = Program::new();
    let source = program.path("source");
    std::fs::create_dir(&source).unwrap();
    std::fs::write(source.join("stays"), "the same").unwrap();
    let prefix = service(
        &program,
        "backup_root: ROOT\ntimezone: Europe/Amsterdam\nlog_level: INFO\nretention_defaults: {daily: 1, weekly: 8}\n",
        &format!(
            "address: 127.0.0.1\nssh:\n  user: root\n  port: {}\n  key: {}\n  known_hosts: {}\nsources: [{}]\n\
             retention: {{weekly: 0}}\nschedule: {{cron: '15 2 * * *', prune: yes}}\npre_hook: dump-databases\n",
            sshd.port,
            sshd.identity.display(),
            sshd.known_hosts.display(),
            source.display()
        ),
    );
    snapshot(&program, OLD, &source, None);
    let old = snapshot(&program, NEW, &source, Some(OLD));
    let failed = snapshot(&program, FAILED, &source, Some(NEW));
    let meta = program
        .root()
        .join("web-01/scheduled")
        .join(FAILED)
        .join("meta/meta.yaml");
    let text = std::fs::read_to_string(&meta).unwrap();
    std::fs::write(&meta, text.replace("status: success", "status: failed")).unwrap();
    let before = everything(&prefix);
    let prefix = prefix.to_str().unwrap();

    let said = program.ends(13, &["import-legacy", "--prefix", prefix]);
    assert!(
        said.out
            .contains("! config/hosts/web-01.yaml:10: pre_hook is not known"),
        "{}",
        said.out
    );
    assert!(
        said.out
            .contains(". config/global.yaml:3: log_level has no meaning here"),
        "{}",
        said.out
    );
    assert_eq!(everything(Path::new(prefix)), before);
    let said = program.ends(13, &["import-legacy", "--prefix", prefix]);
    assert!(said.out.contains("Nothing changes"), "{}", said.out);

    let said = program.run(&["discover-snapshots"]);
    assert!(
        format!("{}{}", said.out, said.err).contains(&format!("{FAILED}: not recorded")),
        "{}{}",
        said.out,
        said.err
    );
    let plan = program.json(0, &["retention", "web-01"]);
    assert_eq!(plan["policy"]["daily"], 1, "{plan}");
    assert_eq!(plan["policy"]["timezone"], "Europe/Amsterdam");
    assert_eq!(plan["approved"], false);
    let named = |list: &str| {
        let items = plan[list].as_array().unwrap().iter();
        items
            .map(|item| item["snapshot"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(named("keep"), [NEW]);
    assert_eq!(named("delete"), [OLD]);

    let said = program.ends(0, &["backup", "web-01"]);
    assert!(said.out.contains(NEW), "{}", said.out);
    let name = program.visible("web-01", "manual").pop().unwrap();
    let new = program
        .data("web-01", "manual", &name)
        .join(source.strip_prefix("/").unwrap());
    let inode = |folder: &Path| folder.join("stays").metadata().unwrap().ino();
    assert_eq!(inode(&new), inode(&old));

    // What was imported is not approved: nothing of it is pruned unattended.
    program.ends(14, &["backup", "web-01", "--prune"]);
    assert_eq!(program.visible("web-01", "scheduled").len(), 3);
    program.ends(0, &["retention", "web-01", "--approve", "--yes"]);
    program.ends(0, &["backup", "web-01", "--prune", "--scheduled"]);
    let scheduled = program.visible("web-01", "scheduled");
    assert!(!scheduled.contains(&OLD.to_owned()), "{scheduled:?}");
    assert!(
        failed.join("stays").exists(),
        "what was never recorded is never deleted"
    );
}

#[test]
fn the_file_that_is_written_asks_for_what_the_database_would_hold() {
    let program = Program::new();
    let prefix = service(
        &program,
        "backup_root: ROOT\nmax_parallel: 3\nretention_defaults: {daily: 7}\n",
        "address: web-01.example.net\nexcludes: ['*.tmp', \"a \\\"b\\\" {}\"]\nschedule: 15 2 * * *\ntimezone: Europe/Amsterdam\n",
    );
    let prefix = prefix.to_str().unwrap();
    program.ends(
        0,
        &["import-legacy", "--prefix", prefix, "--out", "pobsync.kdl"],
    );
    program.ends(0, &["validate"]);
    assert!(
        !program.path("state/pobsync.db").exists(),
        "no database is needed for it"
    );
    let text = std::fs::read_to_string(program.path("pobsync.kdl")).unwrap();
    program.ends(
        1,
        &["import-legacy", "--prefix", prefix, "--out", "pobsync.kdl"],
    );
    assert_eq!(
        std::fs::read_to_string(program.path("pobsync.kdl")).unwrap(),
        text
    );

    program.ends(0, &["import-legacy", "--prefix", prefix]);
    let plan = program.json(0, &["plan"]);
    for change in plan["changes"].as_array().unwrap() {
        let fields = change["fields"].as_array().unwrap();
        assert!(
            fields.iter().all(|field| field["path"] == "managed-by"),
            "{change}"
        );
    }
}

#[test]
fn what_the_database_holds_already_stays() {
    let program = Program::new();
    let prefix = service(
        &program,
        "backup_root: ROOT\n",
        "address: web-01.example.net\n",
    );
    program.ends(
        0,
        &["configure-host", "WEB-01", "--address", "other.example.net"],
    );
    program.ends(0, &["configure-global", "--backup-root", "/mnt/elsewhere"]);
    let said = program.ends(13, &["import-legacy", "--prefix", prefix.to_str().unwrap()]);
    assert!(
        said.out
            .contains("host web-01: it is there already with other settings"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("the backup root is /mnt/elsewhere here"),
        "{}",
        said.out
    );
    assert!(
        program
            .ends(0, &["hosts"])
            .out
            .contains("other.example.net")
    );
}

#[test]
fn nothing_is_imported_while_a_mistake_stands() {
    let program = Program::new();
    let prefix = service(
        &program,
        "backup_root: ROOT\n",
        "address: -oProxyCommand=x\nport: 022\n",
    );
    std::fs::write(
        prefix.join("config/hosts/web-02.yaml"),
        "address: a\naddress: b\n",
    )
    .unwrap();
    std::fs::write(
        prefix.join("config/hosts/web-03.yaml"),
        "address: good.example.net\n",
    )
    .unwrap();
    let said = program.ends(65, &["import-legacy", "--prefix", prefix.to_str().unwrap()]);
    for place in ["web-01.yaml:1", "web-01.yaml:2", "web-02.yaml:2"] {
        assert!(said.err.contains(place), "{place}: {}", said.err);
    }
    assert!(
        said.err.contains("the key address is there twice"),
        "{}",
        said.err
    );
    assert!(!program.path("state/pobsync.db").exists());
}

#[test]
fn nothing_outside_the_prefix_is_read() {
    let program = Program::new();
    let prefix = service(&program, "backup_root: ROOT\n", "address: a\n");
    let hosts = prefix.join("config/hosts");
    let at = prefix.to_str().unwrap().to_owned();
    let secret = program.path("secret");
    std::fs::write(&secret, "ssh_user: hunter2\n").unwrap();
    let refuses = |make: &dyn Fn(&Path)| {
        let path = hosts.join("bad.yaml");
        make(&path);
        let said = program.ends(1, &["import-legacy", "--prefix", &at]);
        assert!(said.err.contains("bad.yaml"), "{}", said.err);
        assert!(!said.err.contains("hunter2"), "{}", said.err);
        let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path));
    };
    refuses(&|path| std::os::unix::fs::symlink(&secret, path).unwrap());
    refuses(&|path| std::os::unix::fs::symlink("../../../secret", path).unwrap());
    refuses(&|path| std::os::unix::fs::symlink("bad.yaml", path).unwrap());
    refuses(&|path| std::fs::create_dir(path).unwrap());
    refuses(&|path| std::fs::write(path, vec![b'#'; (1 << 20) + 1]).unwrap());
    refuses(&|path| std::fs::write(path, b"address: \xff\n").unwrap());
    refuses(&|path| {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.unwrap().success());
    });
    // Links that stay inside are how people share files.
    std::fs::write(prefix.join("shared.yaml"), "address: a\n").unwrap();
    std::os::unix::fs::symlink("../../shared.yaml", hosts.join("web-02.yaml")).unwrap();
    program.ends(0, &["import-legacy", "--prefix", &at]);
    let empty = program.path("empty");
    std::fs::create_dir(&empty).unwrap();
    let said = program.ends(1, &["import-legacy", "--prefix", empty.to_str().unwrap()]);
    assert!(
        said.err.contains("neither config/global.yaml nor"),
        "{}",
        said.err
    );
}

#[test]
fn the_way_back_replaces_nothing_and_tells_what_it_leaves_out() {
    let program = Program::new();
    program.ends(
        0,
        &[
            "configure-global",
            "--backup-root",
            program.root().to_str().unwrap(),
        ],
    );
    let args = [
        "configure-host",
        "web-01",
        "--address",
        "web-01.example.net",
        "--keep",
        "daily=7 last=3",
        "--exclude",
        "a\"b\\",
    ];
    program.ends(0, &args);
    program.ends(
        0,
        &[
            "schedule",
            "web-01",
            "--cron",
            "15 2 * * *",
            "--prune",
            "--jitter",
            "20m",
        ],
    );
    let said = program.ends(13, &["export-legacy", "--prefix", "out"]);
    assert!(
        said.out
            .contains("! host web-01: retention.last cannot be said"),
        "{}",
        said.out
    );
    assert!(
        said.out.contains("! host web-01: schedules cannot be said"),
        "{}",
        said.out
    );
    let written = everything(&program.path("out"));
    program.ends(13, &["export-legacy", "--prefix", "out"]);
    assert_eq!(
        everything(&program.path("out")),
        written,
        "the same again writes nothing"
    );

    program.ends(
        0,
        &[
            "configure-host",
            "web-02",
            "--address",
            "web-02.example.net",
        ],
    );
    let host = program.path("out/config/hosts/web-01.yaml");
    std::fs::write(&host, "mine: yes\n").unwrap();
    let said = program.ends(1, &["export-legacy", "--prefix", "out"]);
    assert!(
        said.err.contains("web-01.yaml is there already"),
        "{}",
        said.err
    );
    assert_eq!(std::fs::read_to_string(&host).unwrap(), "mine: yes\n");
    assert!(
        !program.path("out/config/hosts/web-02.yaml").exists(),
        "nothing was written"
    );

    std::fs::create_dir_all(program.path("elsewhere")).unwrap();
    std::fs::create_dir(program.path("linked")).unwrap();
    std::os::unix::fs::symlink(program.path("elsewhere"), program.path("linked/config")).unwrap();
    program.ends(1, &["export-legacy", "--prefix", "linked"]);
    assert_eq!(
        common::program::names_below(&program.path("elsewhere")),
        [] as [&str; 0]
    );
}
