//! What a service manager is told: a real datagram socket stands for it.

use std::os::unix::net::UnixDatagram;

use crate::common::sql::Sql;
use crate::support::{PATIENCE, Running, fleet, make_due, number, runs, until};

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
fn samples_of_the_scheduler_go_round_until_everything_was_read() {
    let program = fleet(&["web"], "verify every=\"1d\" sample=\"25%\"", "");
    program.ends(0, &["backup", "web"]);
    let sound = program.json(0, &["verify", "web"]);
    let files = sound[0]["files_read"].as_u64().unwrap();
    let name = &program.visible("web", "manual")[0];
    let below = program.path("source/folder/three");
    let file = program
        .data("web", "manual", name)
        .join(below.strip_prefix("/").unwrap());
    let modified = file.metadata().unwrap().modified().unwrap();
    std::fs::write(&file, "folder/tHree").unwrap();
    let handle = std::fs::File::options().write(true).open(&file).unwrap();
    handle.set_modified(modified).unwrap();
    let later = |days: i64| {
        let sql =
            format!("UPDATE verify_progress SET verified_at = verified_at - 86400000 * {days}");
        assert_eq!(Sql::of(&program).execute(&sql), 1);
    };
    let compared = || {
        let sql = "SELECT compared FROM verifications";
        u64::try_from(number(&program, sql)).unwrap()
    };
    let mut read = 0;
    for _ in 0..4 {
        // Not due within the day.
        let before = runs(&program, "verify").len();
        program.ends(0, &["scheduler", "--once"]);
        assert_eq!(runs(&program, "verify").len(), before);
        later(2);
        program.ends(0, &["scheduler", "--once"]);
        assert_eq!(runs(&program, "verify").len(), before + 1);
        read += compared();
    }
    assert_eq!(read, files, "each file was read once");
    let ended = runs(&program, "verify");
    let failed = ended.iter().filter(|run| run.contains("failed"));
    assert_eq!(failed.count(), 1, "{ended:?}");
    assert_eq!(number(&program, "SELECT next_slot FROM verify_progress"), 0);
    let damaged = number(&program, "SELECT COUNT(*) FROM damage");
    assert_eq!(damaged, 1, "what was found stays until it is read again");
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
