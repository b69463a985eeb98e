//! What an input costs, and what is left of one that ends the process or never ends.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// No input takes longer, of the time of the processor: others may be at work on this machine.
pub(crate) const LONGEST: Duration = Duration::from_secs(1);
/// No input takes more memory than was taken before it.
pub(crate) const LARGEST: u64 = 256 << 20;
/// One that runs for so long by the clock never ends.
const ENDLESS: Duration = Duration::from_secs(60);

/// What was used up before an input.
pub(crate) struct Costs {
    time: Duration,
    memory: u64,
}

impl Costs {
    pub(crate) fn begin() -> Self {
        // proc(5): 5 resets the peak.
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
        Self {
            time: processor(),
            memory: peak(),
        }
    }

    /// The time of the processor, all threads together, and by how much the peak of memory has grown.
    pub(crate) fn end(&self) -> (Duration, u64) {
        let grown = peak().saturating_sub(self.memory);
        (processor().saturating_sub(self.time), grown)
    }
}

fn processor() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap(),
        u32::try_from(time.tv_nsec).unwrap(),
    )
}

fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: u64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib << 10
}

/// Holds the input that is tried in a file.
pub(crate) struct Watch {
    path: PathBuf,
    file: File,
    since: Arc<Mutex<Option<Instant>>>,
}

impl Watch {
    pub(crate) fn of(target: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(format!("{target}.{}.current", std::process::id()));
        let file = File::create(&path).unwrap();
        let since: Arc<Mutex<Option<Instant>>> = Arc::default();
        let (watched, shown) = (Arc::downgrade(&since), path.clone());
        std::thread::spawn(move || {
            while let Some(since) = watched.upgrade() {
                let begun = *since.lock().unwrap();
                if begun.is_some_and(|begun| begun.elapsed() > ENDLESS) {
                    eprintln!("this never ends: {}", shown.display());
                    std::process::abort();
                }
                drop(since);
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        Self { path, file, since }
    }

    pub(crate) fn begins(&self, input: &[u8]) {
        self.file.set_len(input.len() as u64).unwrap();
        self.file.write_all_at(input, 0).unwrap();
        *self.since.lock().unwrap() = Some(Instant::now());
    }

    pub(crate) fn ends(&self) {
        *self.since.lock().unwrap() = None;
    }

    /// Keeps an input that something is wrong with; the answer is where.
    pub(crate) fn keep(&self, input: &[u8]) -> String {
        let kept = (0..).map(|n| self.path.with_extension(format!("found-{n}")));
        let kept = kept.into_iter().find(|path| !path.exists()).unwrap();
        std::fs::write(&kept, input).unwrap();
        kept.display().to_string()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}
