//! The server's own disk: full, out of inodes, read-only, gone.

use std::path::Path;

use crate::common::program::{Program, Said, names_below};
use crate::disks::Mount;
use crate::rig::{Rig, look};

const LOCAL: &str = "address \"local\"";
/// A guard that lets a run begin on nearly nothing, so that the disk itself is met.
const NO_GUARD: &str = "guard { min-free 0 }";

/// A rig whose root is a disk of its own.
fn on(mount: impl FnOnce(&Path) -> Option<Mount>) -> Option<(Mount, Rig)> {
    let program = Program::new();
    let mount = mount(&program.root())?;
    Some((mount, Rig::prepared(program, LOCAL, NO_GUARD)))
}

#[test]
fn a_disk_that_fills_up_fails_the_backup_and_nothing_is_pruned_to_make_room() {
    let program = Program::new();
    let image = program.path("image");
    let Some(_mount) = Mount::ext4(&program.root(), &image, 16 << 20, "rw") else {
        return;
    };
    let rig = Rig::prepared(program, LOCAL, NO_GUARD);
    std::fs::write(rig.source.join("large"), vec![7; 24 << 20]).unwrap();
    let said = rig.program.ends(1, &["backup", "web", "--prune"]);
    rig.check(&said, "failed", &["the backup root is full: make room"]);
    rig.fails(&["the backup root is full: make room"]);
    std::fs::remove_file(rig.source.join("large")).unwrap();
    rig.recovers();
}

#[test]
fn a_prune_makes_room_on_a_disk_that_has_none_left() {
    let program = Program::new();
    let image = program.path("image");
    let Some(_mount) = Mount::ext4(&program.root(), &image, 16 << 20, "rw") else {
        return;
    };
    let rig = Rig::prepared(program, LOCAL, NO_GUARD);
    let large = rig.source.join("large");
    for n in 0..2 {
        std::fs::write(&large, vec![n; 2 << 20]).unwrap();
        rig.program.ends(0, &["backup", "web"]);
    }
    let visible = || rig.program.visible("web", "manual");
    let count = visible().len();
    // As an earlier version has left it, with no block of its own.
    std::fs::write(rig.program.root().join("web/.lock"), "").unwrap();
    fill(&rig.program.root());
    rig.program.ends(
        0,
        &["retention", "web", "--apply", "--yes", "--max-delete", "9"],
    );
    assert!(visible().len() < count, "{:?}", visible());
    assert!(names_below(&rig.program.root().join("web/.trash")).is_empty());
}

#[test]
fn a_disk_that_fills_up_is_told_of_before_no_run_begins() {
    let program = Program::new();
    let Some(_mount) = Mount::tmpfs(&program.root(), "size=20m") else {
        return;
    };
    let rig = Rig::prepared(program, LOCAL, "guard { min-free 40 }");
    let said = rig.program.ends(0, &["backup", "web"]);
    assert!(!said.err.contains("min-free"), "{}", said.err);
    std::fs::write(rig.program.root().join("other"), vec![7; 8 << 20]).unwrap();
    let said = rig.program.ends(0, &["backup", "web"]);
    assert!(
        said.err
            .contains("% of the bytes of the backup root are free"),
        "{}",
        said.err
    );
    let said = rig.program.run(&["check"]);
    assert!(
        said.out.contains("with less than 40% no run begins"),
        "{}",
        said.out
    );
    std::fs::write(rig.program.root().join("other"), vec![7; 14 << 20]).unwrap();
    rig.program.ends(10, &["backup", "web"]);
}

/// Takes every block that is free, for files and for directories.
fn fill(root: &Path) {
    use std::io::Write as _;
    let mut file = std::fs::File::create(root.join("fill")).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let _ = file.sync_all();
    let mut n = 0;
    while std::fs::create_dir(root.join(format!("fill-{n}"))).is_ok() {
        n += 1;
    }
}

#[test]
fn a_disk_without_inodes_fails_the_backup_is_never_partial_and_can_be_pruned() {
    let Some((_mount, rig)) = on(|at| Mount::tmpfs(at, "size=8m,nr_inodes=100")) else {
        return;
    };
    let small = |n| rig.source.join(format!("small-{n}"));
    for n in 0..100 {
        std::fs::write(small(n), "x").unwrap();
    }
    rig.fails(&["no inodes left: make room"]);
    for n in 0..100 {
        std::fs::remove_file(small(n)).unwrap();
    }
    // What is left of it takes all there is: the next one cannot even begin.
    let said = rig.fails(&["No space left on device"]);
    assert!(said.err.contains("df -i"), "{}", said.err);
    // A person makes room, which needs none.
    rig.retention("incomplete-after \"1s\"");
    while !rig.left().is_empty() {
        let said = rig
            .program
            .ends(0, &["retention", "web", "--apply", "--yes"]);
        eprintln!("seen: {} {}", said.out.trim_end(), said.err.trim_end());
    }
    rig.recovers();
}

#[test]
fn a_disk_that_is_read_only_from_the_beginning_takes_no_backup_and_no_prune() {
    let Some((mount, rig)) = on(|at| Mount::tmpfs(at, "size=8m")) else {
        return;
    };
    let before = look(&rig.program.root());
    let rows = rig.program.json(0, &["snapshots", "--all"]);
    mount.remount("ro");
    let said = rig.program.ends(1, &["backup", "web"]);
    eprintln!("seen: exit {} | {}", said.code, said.err.trim_end());
    assert!(said.err.contains("Read-only file system"), "{}", said.err);
    let said = rig.program.run(&["retention", "web", "--apply", "--yes"]);
    assert!(
        said.code == 0 || said.err.contains("Read-only"),
        "{}",
        said.err
    );
    assert_eq!(look(&rig.program.root()), before);
    assert_eq!(rig.program.json(0, &["snapshots", "--all"]), rows);
    rig.check_let_go();
    mount.remount("rw");
    rig.recovers();
}

/// Begins a backup of many files, slowly, and waits until some are there.
fn half_way(rig: &Rig) -> std::process::Child {
    for n in 0..20 {
        std::fs::write(rig.source.join(format!("later-{n}")), "x").unwrap();
    }
    rig.half_way(LOCAL, 3)
}

/// ext4 does this to itself after an error; a writer that is half way would keep `mount -o remount,ro` away.
#[test]
fn a_disk_that_becomes_read_only_half_way_fails_the_backup() {
    let program = Program::new();
    let image = program.path("image");
    let Some(mount) = Mount::ext4(&program.root(), &image, 32 << 20, "errors=remount-ro") else {
        return;
    };
    let rig = Rig::prepared(program, LOCAL, NO_GUARD);
    let pull = half_way(&rig);
    mount.remount("abort");
    let said = Said::of(pull.wait_with_output().unwrap());
    assert_eq!(said.code, 1, "{}", said.err);
    rig.check(&said, "failed", &["the server could not write"]);
    drop(mount);
    let Some(_mount) = Mount::again(&rig.program.root(), &image, "rw") else {
        return;
    };
    rig.recovers();
}

#[test]
fn a_root_that_is_unmounted_or_mounted_over_half_way_makes_nothing_visible() {
    for with in ["unmounted", "mounted over"] {
        let program = Program::new();
        let image = program.path("image");
        let Some(mount) = Mount::ext4(&program.root(), &image, 32 << 20, "rw") else {
            return;
        };
        let rig = Rig::prepared(program, LOCAL, NO_GUARD);
        let pull = half_way(&rig);
        let over = if with == "unmounted" {
            drop(mount);
            None
        } else {
            let over = Mount::tmpfs(&rig.program.root(), "size=1m");
            Some((over, mount))
        };
        let said = Said::of(pull.wait_with_output().unwrap());
        eprintln!("seen: {with}: exit {} | {}", said.code, said.err.trim_end());
        assert_eq!(said.code, 1, "{}", said.err);
        assert!(said.err.contains("its disk was unmounted"), "{}", said.err);
        assert_eq!(rig.last_run()["status"], "failed");
        // Nothing was made on the bare mount point, and nothing may be.
        assert_eq!(names_below(&rig.program.root()), Vec::<String>::new());
        let said = rig.program.ends(10, &["backup", "web"]);
        assert!(
            said.err.contains("is its disk not mounted?"),
            "{}",
            said.err
        );
        rig.program.ends(10, &["discover-snapshots"]);
        assert_eq!(names_below(&rig.program.root()), Vec::<String>::new());
        let _mount = match over {
            Some((over, mount)) => {
                drop(over);
                mount
            }
            None => Mount::again(&rig.program.root(), &image, "rw").unwrap(),
        };
        rig.check_untouched();
        rig.recovers();
    }
}

#[test]
fn what_cannot_be_removed_from_the_trash_keeps_its_row_and_goes_with_the_next_prune() {
    let Some((_mount, rig)) = on(|at| Mount::tmpfs(at, "size=8m")) else {
        return;
    };
    rig.program.ends(0, &["backup", "web"]);
    rig.program.ends(0, &["backup", "web"]);
    let oldest = rig.program.visible("web", "manual").remove(0);
    let other = rig.program.path("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("precious"), "x").unwrap();
    let inside = rig.tree(&oldest).join("mounted");
    std::fs::create_dir(&inside).unwrap();
    let mut inner = Mount::new(&inside, &["--bind", other.to_str().unwrap()]).unwrap();

    let said = rig.program.run(&["retention", "web", "--apply", "--yes"]);
    eprintln!(
        "seen: exit {} | {} {}",
        said.code,
        said.out.trim_end(),
        said.err.trim_end()
    );
    assert_eq!(said.code, 13, "{}{}", said.out, said.err);
    let status = |rig: &Rig| {
        let rows = rig.program.json(0, &["snapshots", "--all"]);
        let row = rows
            .as_array()
            .unwrap()
            .iter()
            .find(|r| r["name"] == oldest.as_str());
        row.unwrap()["status"].clone()
    };
    assert_eq!(status(&rig), "deleting");
    assert_eq!(names_below(&other), ["precious"]);
    assert_eq!(rig.last_run()["status"], "partial");
    // The next backup is not hindered by it.
    rig.program.ends(0, &["backup", "web"]);
    assert_eq!(status(&rig), "deleting");
    // It has moved along with the snapshot.
    let trash = rig.program.root().join("web/.trash");
    let moved = trash.join(&names_below(&trash)[0]).join("data");
    let moved = moved
        .join(rig.source.strip_prefix("/").unwrap())
        .join("mounted");
    inner.has_moved_to(&moved);
    drop(inner);
    rig.program.ends(0, &["backup", "web"]);
    assert_eq!(status(&rig), "deleted");
    assert_eq!(names_below(&other), ["precious"]);
    assert_eq!(
        names_below(&rig.program.root().join("web/.trash")),
        Vec::<String>::new()
    );
}
