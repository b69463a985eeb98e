//! A MariaDB server of the tests' own: from a temporary folder, on a private socket and port, and gone when the tests are.

use std::io::Read as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mysql::prelude::Queryable as _;
use mysql::{Conn, OptsBuilder};

/// Runs the server in the folder `$1` with the other arguments, until its input ends: that is when whoever started it has
/// ended, however that came about. A shell of its own, since no destructor runs when a process is killed; what ends all
/// tests at once, such as Ctrl-C, does not end it before it has cleared away.
const KEEPER: &str = r#"
folder=$1; shift
trap '' HUP INT TERM
(trap - TERM; exec mariadbd "$@" >"$folder/log" 2>&1 </dev/null) &
server=$!
echo "$server"
exec 1>&-
cat >/dev/null
kill -KILL "$server" 2>/dev/null
wait "$server" 2>/dev/null
[ -e "$folder/keep" ] || rm -rf "$folder"
"#;

/// A server that is slow to start is a broken one.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// A server with a data folder of its own.
pub struct Server {
    folder: PathBuf,
    port: u16,
    extra: Vec<String>,
    /// What its command begins with.
    within: Vec<String>,
    keeper: Option<Child>,
    pid: u32,
}

static SHARED: OnceLock<Server> = OnceLock::new();
static DATABASES: AtomicUsize = AtomicUsize::new(0);

/// The server that all tests of this process share.
pub fn shared() -> &'static Server {
    SHARED.get_or_init(|| Server::start(&[]))
}

impl Server {
    /// Makes a data folder and starts a server in it.
    pub fn start(extra: &[&str]) -> Self {
        Self::start_within(&[], extra)
    }

    /// As [`Server::start`], called through other programs: `nsenter`.
    pub fn start_within(within: &[String], extra: &[&str]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("pobsync-mariadb-")
            .tempdir_in(place_for_data())
            .unwrap()
            .keep();
        let installed = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal"])
            .args(["--skip-test-db", "--user=root"])
            .arg(format!("--datadir={}", folder.join("data").display()))
            .env("TMPDIR", &folder)
            .output()
            .expect("mariadb-install-db: install mariadb-server");
        assert!(installed.status.success(), "{installed:?}");
        // Free now, and nobody else looks for one in the meantime but by the same way.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut server = Self {
            folder,
            port,
            extra: extra.iter().map(ToString::to_string).collect(),
            within: within.to_vec(),
            keeper: None,
            pid: 0,
        };
        server.run();
        server
    }

    /// Starts the server on the data that is there, and waits until it answers.
    pub fn run(&mut self) {
        let folder = self.folder.display().to_string();
        let mut words = self.within.iter().map(String::as_str).chain(["sh"]);
        let mut keeper = Command::new(words.next().unwrap())
            .args(words)
            .args(["-c", KEEPER, "mariadb-keeper", &folder])
            .args([
                "--no-defaults",
                "--user=root",
                "--skip-log-bin",
                "--skip-name-resolve",
            ])
            .arg(format!("--datadir={folder}/data"))
            .arg(format!("--socket={folder}/socket"))
            .arg(format!("--pid-file={folder}/pid"))
            // A server that starts clears away what it takes for its own in the folder of temporary tables.
            .arg(format!("--tmpdir={folder}"))
            .args(["--bind-address=127.0.0.1", &format!("--port={}", self.port)])
            // Nothing may hang on what a server is set to by itself.
            .args([
                "--sql-mode=ANSI_QUOTES,PIPES_AS_CONCAT",
                "--default-time-zone=+07:00",
            ])
            .args(["--transaction-isolation=READ-UNCOMMITTED", "--autocommit=0"])
            .args([
                "--character-set-server=latin1",
                "--collation-server=latin1_german1_ci",
            ])
            // Small and quick: what is written must outlive the server, not the machine.
            .args([
                "--innodb-flush-log-at-trx-commit=2",
                "--innodb-doublewrite=0",
            ])
            .args([
                "--innodb-buffer-pool-size=64M",
                "--innodb-log-file-size=64M",
            ])
            .args(["--performance-schema=0", "--max-connections=500"])
            .args(["--max-allowed-packet=64M"])
            .args(&self.extra)
            .env("PATH", path_with_sbin())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pid = String::new();
        keeper
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut pid)
            .unwrap();
        self.pid = pid.trim().parse().unwrap();
        self.keeper = Some(keeper);
        let begun = Instant::now();
        while let Err(error) = self.connect_as("root", None) {
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            let is_there = Path::new(&format!("/proc/{}", self.pid)).exists();
            assert!(
                is_there && begun.elapsed() < START_TIMEOUT,
                "{error}\n{log}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills the server as a crash would; its data stay.
    pub fn kill(&mut self) {
        let Some(mut keeper) = self.keeper.take() else {
            return;
        };
        std::fs::write(self.folder.join("keep"), "").unwrap();
        drop(keeper.stdin.take());
        keeper.wait().unwrap();
        std::fs::remove_file(self.folder.join("keep")).unwrap();
    }

    /// Ends the server as an administrator does who restarts it; its data stay.
    pub fn stop(&mut self) {
        let begun = Instant::now();
        let pid = i32::try_from(self.pid).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        // The shell may not have waited for it yet.
        let stat = format!("/proc/{}/stat", self.pid);
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(begun.elapsed() < START_TIMEOUT, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.kill();
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn socket(&self) -> String {
        self.folder.join("socket").display().to_string()
    }

    /// A new database that nobody else uses; its name.
    pub fn new_database(&self) -> String {
        let name = format!("t{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        self.execute(&format!("CREATE DATABASE {name}"));
        name
    }

    /// Its address for the administrator, by the socket.
    pub fn url(&self, database: &str) -> String {
        format!("mysql://root@localhost/{database}?socket={}", self.socket())
    }

    /// Carries out a statement as the administrator.
    pub fn execute(&self, sql: &str) {
        self.connect_as("root", None)
            .unwrap()
            .query_drop(sql)
            .unwrap();
    }

    pub fn connect(&self, database: &str) -> Conn {
        self.connect_as("root", Some(database)).unwrap()
    }

    fn connect_as(&self, user: &str, database: Option<&str>) -> mysql::Result<Conn> {
        let options = OptsBuilder::new()
            .socket(Some(self.socket()))
            .user(Some(user))
            .db_name(database)
            .init(vec!["SET autocommit = 1"]);
        Conn::new(options)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Memory, if there is enough of it: making a schema waits for the disk a hundred times, and every test has its own.
fn place_for_data() -> PathBuf {
    const ROOM: u64 = 2 << 30;
    let memory = Path::new("/dev/shm");
    let has_room = rustix::fs::statvfs(memory).is_ok_and(|s| s.f_bavail * s.f_frsize >= ROOM);
    if has_room {
        memory.to_owned()
    } else {
        std::env::temp_dir()
    }
}

/// Debian keeps the server where the path of a plain user does not lead.
fn path_with_sbin() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{path}:/usr/sbin")
}
