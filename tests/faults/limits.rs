//! A host that brings more than it may, as a compromised one can.

use std::path::Path;
use std::process::Command;

use crate::common::Sshd;
use crate::rig::{Rig, ssh};

/// Names below a folder, itself not counted.
fn count(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let each = entries.flatten().map(|entry| {
        let is_folder = entry.file_type().unwrap().is_dir();
        1 + if is_folder { count(&entry.path()) } else { 0 }
    });
    each.sum()
}

fn bytes_on_disk(folder: &Path) -> u64 {
    let said = Command::new("du").arg("-sB1").arg(folder).output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    said.split_whitespace().next().unwrap().parse().unwrap()
}

/// Makes `n` names in folders of a thousand each.
fn fill(folder: &Path, n: usize, make: fn(&Path)) {
    for i in 0..n / 1_000 {
        let inner = folder.join(format!("many/{i}"));
        std::fs::create_dir_all(&inner).unwrap();
        (0..1_000).for_each(|j| make(&inner.join(j.to_string())));
    }
}

#[test]
fn a_sparse_bomb_is_stopped_at_the_length_that_it_pretends() {
    let sshd = Sshd::start();
    let rig = Rig::over_ssh(&sshd);
    let settings = ssh(&sshd, "127.0.0.1");
    let bomb = std::fs::File::create(rig.source.join("bomb")).unwrap();
    bomb.set_len(1 << 40).unwrap();
    for way in ["link-dest", "fast"] {
        rig.configure(&format!(
            "{settings}; limits {{ max-size \"64MiB\" }}; rsync {{ incremental \"{way}\" }}"
        ));
        rig.fails(&["over `max-size`", "64 MiB"]);
    }
    let left = rig.program.root().join("web/.incomplete");
    assert!(bytes_on_disk(&left) < 32 << 20, "{}", bytes_on_disk(&left));
    std::fs::remove_file(rig.source.join("bomb")).unwrap();
    rig.recovers();
}

#[test]
fn one_that_holds_real_bytes_is_stopped_before_all_of_them_are_here() {
    let sshd = Sshd::start();
    let rig = Rig::over_ssh(&sshd);
    std::fs::write(rig.source.join("large"), vec![7; 300 << 20]).unwrap();
    rig.configure(&format!(
        "{}; limits {{ max-size \"4MiB\" }}; rsync {{ bwlimit \"8MiB\" }}",
        ssh(&sshd, "127.0.0.1")
    ));
    rig.fails(&["over `max-size`", "4.0 MiB"]);
    let left = rig.program.root().join("web/.incomplete");
    assert!(bytes_on_disk(&left) < 100 << 20, "{}", bytes_on_disk(&left));
    std::fs::remove_file(rig.source.join("large")).unwrap();
    rig.recovers();
}

#[test]
fn a_tree_without_end_is_stopped_at_its_number_of_names_and_people_are_told() {
    let sshd = Sshd::start();
    let mut rig = Rig::over_ssh(&sshd);
    let settings = ssh(&sshd, "127.0.0.1");
    let kinds: [fn(&Path); 2] = [
        |path| std::fs::write(path, "x").unwrap(),
        // rsync says nothing of folders while it makes them.
        |path| std::fs::create_dir(path).unwrap(),
    ];
    for make in kinds {
        fill(&rig.source, 10_000, make);
        for way in ["link-dest", "fast"] {
            rig.configure(&format!(
                "{settings}; limits {{ max-files 1000 }}; rsync {{ incremental \"{way}\" }}"
            ));
            rig.fails(&["over `max-files`", "more than 1000 names"]);
            let left = count(&rig.program.root().join("web/.incomplete"));
            eprintln!("{way}: {left} names had come");
            let status = rig.program.run(&["status"]);
            assert!(status.out.contains("over `max-files`"), "{}", status.out);
        }
        std::fs::remove_dir_all(rig.source.join("many")).unwrap();
        rig.settle();
    }
}

#[test]
fn a_host_at_its_limits_is_backed_up() {
    let sshd = Sshd::start();
    let rig = Rig::over_ssh(&sshd);
    let data = rig.tree(&rig.program.visible("web", "manual")[0]);
    let above = data.ancestors().position(|p| p.ends_with("data")).unwrap();
    let names = count(&data) + above;
    let limits = |n: usize| {
        rig.configure(&format!(
            "{}; limits {{ max-files {n}; max-size \"1MiB\"; quota \"1MiB\" }}",
            ssh(&sshd, "127.0.0.1")
        ));
    };
    limits(names - 1);
    rig.fails(&["over `max-files`"]);
    limits(names);
    rig.program.ends(0, &["backup", "web"]);
}

#[test]
fn a_host_over_its_quota_gets_no_run_until_there_is_room() {
    let mut rig = Rig::local();
    std::fs::write(rig.source.join("large"), vec![7; 3 << 20]).unwrap();
    rig.settle();
    let quota = |size: &str| format!("address \"local\"; limits {{ quota \"{size}\" }}");
    rig.program.write(
        "pobsync.kdl",
        &std::fs::read_to_string(rig.program.path("pobsync.kdl"))
            .unwrap()
            .replace("address \"local\"", &quota("2MiB")),
    );
    let plan = rig.program.ends(0, &["plan"]);
    assert!(plan.out.contains("limits.quota"), "{}", plan.out);
    rig.configure(&quota("2MiB"));
    let said = rig.program.ends(10, &["backup", "web"]);
    assert!(
        said.err
            .contains("over `quota`: the snapshots of web take 3.1 MiB"),
        "{}",
        said.err
    );
    rig.check_untouched();
    // Whoever looks at the site has not seen what was said.
    let run = rig.last_run();
    assert_eq!(run["status"], "refused", "{run}");
    assert!(
        run["message"].as_str().unwrap().contains("over `quota`"),
        "{run}"
    );
    rig.configure(&quota("4MiB"));
    rig.program.ends(0, &["backup", "web"]);
    // What is deleted counts no more, though it was measured before.
    std::fs::remove_file(rig.source.join("large")).unwrap();
    rig.program.ends(0, &["backup", "web"]);
    rig.program.ends(0, &["backup", "web"]);
    rig.configure(&quota("2MiB"));
    rig.program.ends(10, &["backup", "web"]);
    rig.program
        .ends(0, &["retention", "web", "--apply", "--yes"]);
    rig.program.ends(0, &["backup", "web"]);
}

#[test]
fn a_host_over_its_quota_is_pruned_as_its_policy_says_before_it_is_refused() {
    let mut rig = Rig::local();
    std::fs::write(rig.source.join("large"), vec![7; 3 << 20]).unwrap();
    rig.settle();
    std::fs::remove_file(rig.source.join("large")).unwrap();
    for _ in 0..2 {
        rig.program.ends(0, &["backup", "web"]);
    }
    // `last=2`, approved by the apply: all that holds the large file is to go.
    let limited = "address \"local\"; limits { quota \"2MiB\" }";
    rig.configure(limited);
    let before = rig.program.visible("web", "manual");
    rig.program.ends(10, &["backup", "web"]);
    assert_eq!(rig.program.visible("web", "manual"), before);

    // A policy that nobody approved lets nothing go.
    rig.program
        .ends(0, &["configure-host", "web", "--keep", "last=1"]);
    let said = rig.program.ends(10, &["backup", "web", "--prune"]);
    assert!(said.err.contains("over `quota`"), "{}", said.err);
    assert!(said.err.contains("not pruned"), "{}", said.err);
    assert_eq!(rig.program.visible("web", "manual"), before);

    rig.configure(limited);
    rig.program.ends(0, &["backup", "web", "--prune"]);
    let after = rig.program.visible("web", "manual");
    assert_eq!(after.len(), 2, "{after:?}");
    assert!(before.contains(&after[0]) && !before.contains(&after[1]));
    let runs = rig.program.json(0, &["runs"]);
    let pruned = runs
        .as_array()
        .unwrap()
        .iter()
        .filter(|run| run["kind"] == "prune" && run["status"] == "complete");
    assert_eq!(pruned.count(), 2, "{runs}");
}
