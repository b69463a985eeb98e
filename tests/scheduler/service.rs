//! What a service manager is told: a real datagram socket stands for it.

use std::os::unix::net::UnixDatagram;

use crate::support::{PATIENCE, Running, fleet, make_due, runs, until};

/// Messages until one holds `word`.
fn hears(socket: &UnixDatagram, word: &str) -> Vec<String> {
    let mut heard = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let length = socket
            .recv(&mut buffer)
            .unwrap_or_else(|e| panic!("never {word}: {e}: {heard:#?}"));
        heard.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        if heard.last().unwrap().contains(word) {
            return heard;
        }
    }
}

#[test]
fn the_service_manager_hears_of_readiness_life_and_the_end() {
    let program = fleet(
        &["web"],
        "",
        "schedule cron=\"15 2 * * *\"; rsync { bwlimit \"64KiB\" }",
    );
    std::fs::write(program.path("source/large"), vec![7; 8 << 20]).unwrap();
    make_due(&program);
    let path = program.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = program.command(&["scheduler", "--loop", "--interval", "60", "--grace", "0"]);
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "400000");
    let mut scheduler = Running::of(command);

    let first = hears(&socket, "READY=1").pop().unwrap();
    assert!(
        first.contains("STATUS=1 backup at work, 0 waiting"),
        "{first}"
    );
    // Far more often than the interval: as often as the watchdog wants.
    for _ in 0..3 {
        let beat = hears(&socket, "WATCHDOG=1").pop().unwrap();
        assert!(!beat.contains("READY=1"), "once is enough: {beat}");
    }
    scheduler.signal(rustix::process::Signal::TERM);
    let last = hears(&socket, "STOPPING=1").pop().unwrap();
    assert!(last.contains("STATUS=stopping"), "{last}");
    assert_eq!(scheduler.wait().code(), Some(0));
}

#[test]
fn the_unit_that_is_shipped_is_one_that_systemd_reads() {
    let unit = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/systemd/pobsync-scheduler.service"
    );
    let text = std::fs::read_to_string(unit).unwrap();
    assert!(
        text.contains("Type=notify") && text.contains("scheduler --loop"),
        "{text}"
    );
    // The grace of the program ends before the patience of the service manager.
    let seconds = |key: &str| -> u32 {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap();
        line.trim_end_matches('s').parse().unwrap()
    };
    assert!(seconds("TimeoutStopSec=") > 30 + 30);
    assert!(seconds("WatchdogSec=") > 2 * 60);
}

#[test]
fn snapshots_are_verified_when_their_time_has_come_and_damage_is_told() {
    let program = fleet(&["web", "db"], "verify every=\"30d\"", "");
    program.ends(0, &["backup", "web", "db"]);
    let below = program.path("source/folder/three");
    let name = &program.visible("db", "manual")[0];
    let file = program
        .data("db", "manual", name)
        .join(below.strip_prefix("/").unwrap());
    let modified = file.metadata().unwrap().modified().unwrap();
    std::fs::write(&file, "tHree").unwrap();
    let handle = std::fs::File::options().write(true).open(&file).unwrap();
    handle.set_modified(modified).unwrap();

    let mut scheduler = Running::start(&program, &["scheduler", "--loop", "--interval", "60"]);
    until("both are verified", || {
        let runs = runs(&program, "verify");
        runs.len() == 2 && !runs.iter().any(|run| run.contains("running"))
    });
    scheduler.signal(rustix::process::Signal::TERM);
    assert_eq!(scheduler.wait().code(), Some(0));
    let mut ended = runs(&program, "verify");
    ended.sort();
    assert_eq!(ended, ["db failed -", "web complete -"]);
    let show = program.ends(0, &["show", "web"]);
    assert!(show.out.contains("verify.every"), "{}", show.out);
}
