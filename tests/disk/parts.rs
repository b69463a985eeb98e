//! Parts that this program plays for its tests in a process of its own, to be killed there.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pobsync::core::model::RunId;
use pobsync::disk::Root;

use crate::support::{SCHEDULED, absolute, empty_trash, host_name, meta, name, now};

const PART: &str = "POBSYNC_TEST_PART";
const ROOT: &str = "POBSYNC_TEST_ROOT";

/// The command that plays `part` on the root, behind the words of `before` (strace and its options).
pub(crate) fn command(before: &[&str], part: &str, root: &Path) -> Command {
    let own: PathBuf = std::env::current_exe().unwrap();
    let words = [before, &[own.to_str().unwrap()]].concat();
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .args(["--exact", "parts::play", "--nocapture", "--test-threads=1"])
        .env(PART, part)
        .env(ROOT, root)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// A part that other tests have played in a process of its own; nothing by itself.
#[test]
fn play() {
    let Ok(part) = std::env::var(PART) else {
        return;
    };
    let root = PathBuf::from(std::env::var_os(ROOT).unwrap());
    let host = Root::open(&absolute(&root), None)
        .unwrap()
        .host_dir(&host_name())
        .unwrap();
    let mut lock = host.try_lock(Some(RunId(12)), "backup", now()).unwrap();
    match part.as_str() {
        "publish" => {
            let incomplete = lock.open_incomplete(SCHEDULED, &name(1)).unwrap().unwrap();
            lock.publish(&incomplete, &meta(SCHEDULED, &name(1)))
                .unwrap();
        }
        "trash" => {
            lock.trash(SCHEDULED, &name(1)).unwrap();
        }
        "empty" => assert!(empty_trash(&lock).is_finished()),
        "begin" => {
            lock.begin(SCHEDULED, &name(1)).unwrap();
        }
        // A child that waits at the fifo `gate`, for which nobody waits: it is to be orphaned.
        "leave-child" | "leave-unrecorded-child" => {
            #[allow(clippy::zombie_processes)]
            let child = Command::new("cat")
                .arg(root.join("gate"))
                .stdin(lock.stdin().unwrap())
                .stdout(Stdio::null())
                .process_group(0)
                .spawn()
                .unwrap();
            if part == "leave-child" {
                lock.record_children(child.id()).unwrap();
            }
            std::io::stdout()
                .write_all(format!("\nchild {}\n", child.id()).as_bytes())
                .unwrap();
            // Until the test kills this process, or has ended itself.
            std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        }
        other => panic!("no part {other}"),
    }
}
