//! Changes to a tree as they come on a machine: everything that a snapshot has to notice.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Changes(u64);

impl Changes {
    /// The changes of a seed; `POBSYNC_SEED` brings others, and what fails says which they were.
    pub(crate) fn new(seed: u64) -> Self {
        let seed = std::env::var("POBSYNC_SEED").map_or(seed, |seed| seed.parse().unwrap());
        eprintln!("POBSYNC_SEED={seed}");
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, n: usize) -> usize {
        // xorshift64: the same changes for the same seed.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % n as u64).unwrap()
    }

    /// Makes one random change below `top`.
    pub(crate) fn apply(&mut self, top: &Path) {
        let all = all(top);
        let Some(path) = self.pick(&all, |_| true) else {
            return;
        };
        let dir = self.pick(&all, Path::is_dir).unwrap_or(top.to_owned());
        let fresh = dir.join(self.name());
        let file = self.pick(&all, |p| p.is_file() && !p.is_symlink());
        // A name may be taken, a folder lie in itself: then there is no change.
        match self.below(20) {
            0..=2 => write(fresh, self.text()),
            3 | 4 => {
                if let Some(file) = file {
                    write(file, self.text());
                }
            }
            5 => {
                // Same size and another time, or the same time and another size.
                if let Some(file) = file {
                    let time = file.metadata().unwrap().modified().unwrap();
                    let mut text = std::fs::read(&file).unwrap_or_default();
                    if text.len() < 100_000 {
                        text.push(b'!');
                        write(&file, text);
                        let file = std::fs::File::options().write(true).open(&file);
                        let _ = file.map(|f| f.set_modified(time));
                    }
                }
            }
            6 | 7 => {
                let mode = [0o600, 0o644, 0o755, 0o4711, 0o000, 0o1777, 0o2750][self.below(7)];
                if !path.is_symlink() {
                    let mode = std::fs::Permissions::from_mode(mode);
                    std::fs::set_permissions(&path, mode).unwrap();
                }
            }
            8 => {
                let (uid, gid) = (self.below(3), self.below(3));
                lchown(&path, Some(1000 + uid as u32), Some(1000 + gid as u32)).unwrap();
            }
            9 => {
                let stamp = format!("@{}.{:09}", 1_700_000_000 + self.below(3), self.below(3));
                run("touch", &["-h", "-d", &stamp], &path);
            }
            10 | 11 => drop(std::fs::rename(&path, fresh)),
            12 => remove(&path),
            13 => {
                remove(&path);
                match self.below(4) {
                    0 => write(&path, self.text()),
                    1 => drop(std::fs::create_dir(&path)),
                    2 => drop(symlink("a target -> of // it", &path)),
                    _ => run("mkfifo", &[], &path),
                }
            }
            14 | 15 => {
                if let Some(file) = file {
                    drop(std::fs::hard_link(file, fresh));
                }
            }
            16 => {
                // One of a group goes its own way, with what it held.
                if let Some(file) = file {
                    let copy = file.with_file_name("copy of a link");
                    if std::fs::copy(&file, &copy).is_ok() {
                        let time = file.metadata().unwrap().modified().unwrap();
                        let _ = std::fs::File::open(&copy).map(|f| f.set_modified(time));
                        let _ = std::fs::rename(copy, file);
                    }
                }
            }
            17 => {
                drop(std::fs::create_dir(&fresh));
                write(fresh.join("inside"), self.text());
            }
            18 => {
                let value = format!("v{}", self.below(4));
                let name = ["user.a", "user.b"][self.below(2)];
                if path.is_dir() || path.is_file() {
                    run("setfattr", &["-n", name, "-v", &value], &path);
                }
            }
            _ => {
                // Not of folders: rsync 3.5.0 loses the rights of the group of a new one.
                let rights = ["u:daemon:r", "u:games:rw", "g:1001:r"][self.below(3)];
                if let Some(file) = file {
                    run("setfacl", &["-m", rights], &file);
                }
            }
        }
    }

    fn pick(&mut self, all: &[PathBuf], is_wanted: impl Fn(&Path) -> bool) -> Option<PathBuf> {
        let found: Vec<_> = all.iter().filter(|path| is_wanted(path)).collect();
        (!found.is_empty()).then(|| found[self.below(found.len())].clone())
    }

    fn name(&mut self) -> Name {
        let odd: [&[u8]; 9] = [
            b"plain",
            b"a => b",
            b"a -> b",
            b"line\nend",
            b"lit\\#012",
            b"tab\there",
            b"\xff\xc3",
            b".f          x",
            b"-n",
        ];
        let mut name = odd[self.below(odd.len())].to_vec();
        name.extend_from_slice(self.below(6).to_string().as_bytes());
        Name(name)
    }

    fn text(&mut self) -> Vec<u8> {
        vec![b'a' + self.below(3) as u8; self.below(4)]
    }
}

struct Name(Vec<u8>);

impl AsRef<Path> for Name {
    fn as_ref(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }
}

fn all(top: &Path) -> Vec<PathBuf> {
    let (mut found, mut left) = (Vec::new(), vec![top.to_owned()]);
    while let Some(dir) = left.pop() {
        let mut names: Vec<PathBuf> = std::fs::read_dir(&dir)
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        names.sort();
        for path in names {
            if path.is_dir() && !path.is_symlink() {
                left.push(path.clone());
            }
            found.push(path);
        }
    }
    found
}

/// A fifo of the name would be written to for ever.
fn write(path: impl AsRef<Path>, text: Vec<u8>) {
    let is_there = path.as_ref().symlink_metadata();
    if is_there.map_or(true, |meta| meta.is_file()) {
        // The folder may have gone, or be a name too long.
        drop(std::fs::write(path, text));
    }
}

fn remove(path: &Path) {
    if path.is_dir() && !path.is_symlink() {
        std::fs::remove_dir_all(path).unwrap();
    } else {
        std::fs::remove_file(path).unwrap();
    }
}

fn run(program: &str, words: &[&str], path: &Path) {
    // It may say no: an attribute on a link, say.
    let mut command = Command::new(program);
    let command = command.args(words).arg("--").arg(path);
    drop(command.stderr(std::process::Stdio::null()).status());
}
