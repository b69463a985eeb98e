//! Directories of the root turn into links to elsewhere and back while the program works in them: nothing outside the root is
//! deleted or changed by anything, and nothing outside is read by whatever looks into snapshots.
//!
//! The root is its owner's alone, so that nobody but root could do this; what a host brings cannot. It is held all the same,
//! since a deletion that is led astray cannot be taken back. `POBSYNC_SWAPS=50` tries each so many times.

use std::os::unix::fs::{lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::common::checker::digest;
use crate::common::program::names_below;
use crate::site::{Site, Visitor};

/// What stands in every file outside, and in none below the root.
const OUTSIDE: &str = "this was read outside of the root";

struct Bench {
    site: Site,
    planted: u32,
}

/// What is done while something is swapped.
#[derive(Debug, Clone, Copy)]
enum Work {
    Discover,
    Prune,
    Look,
    Verify,
    Page,
    Restore,
}

const WORKS: [Work; 6] = [
    Work::Discover,
    Work::Prune,
    Work::Look,
    Work::Verify,
    Work::Page,
    Work::Restore,
];

/// What is swapped for a link: a directory of a host, whichever snapshot it is in.
const SWAPPED: [&str; 7] = [
    "web",
    "web/manual",
    "web/manual/NAME",
    "web/manual/NAME/data",
    "web/manual/NAME/data/etc",
    "web/manual/NAME/data/etc/inner",
    "web/.trash",
];

/// What is swapped for a link while a restore goes to `way/target`: a directory of the target, or one that leads there.
const AT_THE_TARGET: [&str; 4] = [
    "way",
    "way/target",
    "way/target/etc",
    "way/target/etc/inner",
];

impl Bench {
    fn start() -> Self {
        let site = Site::start(
            "host \"web\" { address \"local\"; source \"SOURCE\"; retention { keep last=2; kinds \"manual\" } }",
        );
        site.program.ends(0, &["backup", "web"]);
        Self { site, planted: 0 }
    }

    /// Four more snapshots, two of which the next prune deletes; and all of the host outside, with other words in it.
    fn prepare(&mut self) {
        let program = &self.site.program;
        for _ in 0..4 {
            self.planted += 1;
            let n = self.planted;
            let name = format!(
                "202501{:02}-{:02}{:02}00Z__{n:06}",
                n / 1440 + 1,
                n / 60 % 24,
                n % 60
            );
            program.plant("web", "manual", &name);
            let inner = program.data("web", "manual", &name).join("etc/inner");
            std::fs::create_dir(&inner).unwrap();
            for i in 0..50 {
                std::fs::write(inner.join(i.to_string()), "ours").unwrap();
            }
        }
        program.ends(0, &["discover-snapshots"]);
        let outside = program.path("outside");
        if outside.exists() {
            std::fs::remove_dir_all(&outside).unwrap();
        }
        std::fs::create_dir(&outside).unwrap();
        let from = program.root().join("web");
        let copied = Command::new("cp")
            .arg("-a")
            .arg(from)
            .arg(&outside)
            .status();
        assert!(copied.unwrap().success());
        std::fs::create_dir_all(outside.join("web/.trash/old/data")).unwrap();
        std::fs::write(outside.join("web/.trash/old/data/file"), OUTSIDE).unwrap();
        overwrite(&outside);
    }

    /// Works while `swapped` is now a directory and now a link; the answer is how often it was swapped.
    fn swapped(&mut self, work: Work, swapped: &str) -> u64 {
        self.prepare();
        let program = &self.site.program;
        let names = program.visible("web", "manual");
        // The oldest, which the next prune deletes.
        let name = names.first().unwrap();
        let below = swapped.replace("NAME", name);
        let here = program.root().join(&below);
        let link = program.root().join(format!("{below}~"));
        std::fs::create_dir_all(program.root().join("web/.trash")).unwrap();
        symlink(program.path("outside").join(&below), &link).unwrap();
        if matches!(work, Work::Restore) && below.contains("/data/") {
            of_somebody_else(&link);
        }
        let before = digest(&program.path("outside"));
        let alice = self.site.log_in();
        let (said, swaps) = swapping(&here, &link, || self.work(work, name, &alice));
        let when = format!("{work:?} while {below} was swapped");
        assert_eq!(
            digest(&program.path("outside")),
            before,
            "{when}: outside has changed"
        );
        for said in said {
            assert!(!said.contains("panicked"), "{when}: {said}");
            assert!(!said.contains(OUTSIDE), "{when}: {said}");
        }
        // What is a link now goes, the directory stays where it belongs.
        for path in [&here, &link] {
            if path.is_symlink() {
                std::fs::remove_file(path).unwrap();
            }
        }
        if link.exists() {
            match here.exists() {
                true => std::fs::remove_dir_all(&link).unwrap(),
                false => std::fs::rename(&link, &here).unwrap(),
            }
        }
        program.run(&["discover-snapshots"]);
        program.run(&["retention", "web", "--apply", "--yes"]);
        swaps
    }

    /// Restores while a directory at the target is swapped; the answer is how often it was.
    fn swapped_at_the_target(&mut self, swapped: &str) -> u64 {
        self.prepare();
        let program = &self.site.program;
        let names = program.visible("web", "manual");
        let (way, outside) = (program.path("way"), program.path("outside"));
        for folder in [&way, &outside.join("way")] {
            std::fs::create_dir_all(folder.join("target/etc/inner")).unwrap();
        }
        let (here, link) = (program.path(swapped), program.path(&format!("{swapped}~")));
        symlink(outside.join(swapped), &link).unwrap();
        of_somebody_else(&link);
        let before = digest(&outside);
        let target = way.join("target");
        let (said, swaps) = swapping(&here, &link, || {
            let snapshot = format!("web:{}", names[0]);
            let to = ["--to", target.to_str().unwrap()];
            let words = |path| [&["restore", &snapshot, path, "--overwrite"][..], &to].concat();
            let each = ["/", "/etc", "/etc/inner", "/etc/inner/0"]
                .into_iter()
                .cycle();
            let restored = each.take(12).map(|path| program.run(&words(path)));
            restored.map(|said| said.out + &said.err).collect()
        });
        let when = format!("a restore while {swapped} was swapped");
        assert_eq!(digest(&outside), before, "{when}: outside has changed");
        for said in said {
            assert!(!said.contains("panicked"), "{when}: {said}");
        }
        for path in [&here, &link] {
            if path.is_symlink() {
                std::fs::remove_file(path).unwrap();
            }
        }
        for path in [way, program.path("way~")] {
            if path.exists() {
                std::fs::remove_dir_all(path).unwrap();
            }
        }
        swaps
    }

    /// All that was said, whatever came of it.
    fn work(&self, work: Work, name: &str, alice: &Visitor<'_>) -> Vec<String> {
        let program = &self.site.program;
        let run = |args: &[&str]| {
            let said = program.run(args);
            said.out + &said.err
        };
        match work {
            Work::Discover => vec![run(&["discover-snapshots"]), run(&["check"])],
            Work::Prune => vec![run(&["retention", "web", "--apply", "--yes"])],
            Work::Look => {
                let snapshot = format!("web:{name}");
                vec![
                    run(&["ls", &snapshot, "/etc", "-R"]),
                    run(&["find", "web", "*"]),
                    run(&["diff", "web", name, "latest"]),
                    run(&["du", "web", "--anew"]),
                ]
            }
            Work::Verify => vec![run(&["verify", "web"]), run(&["snapshots"])],
            Work::Page => {
                let files = format!("/hosts/web/snapshots/manual/{name}/files/etc");
                let paths = ["", "/", "/hostname", "/inner/", "/inner/0", "/inner/49"];
                let each = paths.into_iter().cycle().take(60);
                each.map(|path| alice.get(&format!("{files}{path}")).text())
                    .collect()
            }
            Work::Restore => {
                let snapshot = format!("web:{name}");
                let target = program.path("target");
                let to = ["--to", target.to_str().unwrap()];
                let mut said = Vec::new();
                for path in ["/", "/etc", "/etc/inner", "/etc/inner/0"] {
                    for _ in 0..3 {
                        said.push(run(&[&["restore", &snapshot, path][..], &to].concat()));
                        said.extend(contents(&target));
                        let _ = std::fs::remove_dir_all(&target);
                    }
                }
                said
            }
        }
    }
}

/// rsync itself decides whether it follows a link, and follows those of root and of its own user alone (since 3.5.0): the
/// link of a service that works without root must not mislead root, nor that of whoever owns a part of the target.
fn of_somebody_else(link: &Path) {
    lchown(link, Some(4711), Some(4711)).unwrap();
}

/// Works while a directory is now here and now where the link was; answers too how often they were swapped.
fn swapping(here: &Path, link: &Path, work: impl FnOnce() -> Vec<String>) -> (Vec<String>, u64) {
    let (is_over, swaps) = (AtomicBool::new(false), AtomicU64::new(0));
    let said = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                // One of both may be on its way into the trash.
                if renameat_with(CWD, here, CWD, link, RenameFlags::EXCHANGE).is_ok() {
                    swaps.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::yield_now();
            }
        });
        let said = work();
        is_over.store(true, Ordering::Relaxed);
        said
    });
    (said, swaps.into_inner())
}

/// What every file below a folder holds.
fn contents(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for name in names_below(folder) {
        let path = folder.join(&name);
        if path.is_symlink() {
            continue;
        } else if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.push(std::fs::read_to_string(&path).unwrap());
        }
    }
    found
}

/// Puts other words into every file of a tree but what a snapshot says of itself.
fn overwrite(folder: &Path) {
    for name in names_below(folder) {
        let path: PathBuf = folder.join(&name);
        if path.is_symlink() {
            continue;
        } else if path.is_dir() {
            overwrite(&path);
        } else if name != "meta.json" {
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, OUTSIDE).unwrap();
        }
    }
}

#[test]
fn nothing_outside_is_read_or_deleted_while_directories_turn_into_links() {
    let rounds: Option<usize> = std::env::var("POBSYNC_SWAPS")
        .ok()
        .map(|n| n.parse().unwrap());
    let mut bench = Bench::start();
    let each = WORKS
        .into_iter()
        .flat_map(|work| SWAPPED.map(|swapped| (work, swapped)));
    let mut swaps = 0;
    for _ in 0..rounds.unwrap_or(1) {
        // With all tests, a third of them, each work and each directory among them.
        let step = if rounds.is_some() { 1 } else { 3 };
        for (work, swapped) in each.clone().step_by(step) {
            swaps += bench.swapped(work, swapped);
        }
        for swapped in AT_THE_TARGET {
            swaps += bench.swapped_at_the_target(swapped);
        }
    }
    println!("{swaps} swaps");
    assert!(swaps > 100);
}
