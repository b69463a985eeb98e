//! Work on text that a stranger sent, where the kernel keeps it from everything that such work never needs.
//!
//! The parser is safe Rust behind a guard, so that nothing is known that gets out of it. This is for what is not known.

use std::panic::AssertUnwindSafe;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, RestrictionStatus, Ruleset, RulesetAttr as _,
    RulesetError, Scope,
};

use super::document::STACK;

/// All that the kernel can take away as of this version; an older one takes away what it knows.
const KNOWN: ABI = ABI::V7;

/// Calls `work` on a thread of its own that opens no file, connects to nothing, and signals no process, and neither do the
/// threads that it starts: Landlock, see landlock(7). A kernel that has none leaves them as they are. Nothing comes back
/// if `work` panics, or no thread can be had for it.
///
/// What is taken away never comes back: for this the thread is new, and ends here.
pub(super) fn confined<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK);
        let thread = builder.spawn_scoped(scope, || {
            match confine() {
                Ok(status) => tracing::debug!("Landlock: {:?}", status.ruleset),
                Err(error) => tracing::debug!("no Landlock: {error}"),
            }
            std::panic::catch_unwind(AssertUnwindSafe(work)).ok()
        });
        thread.ok()?.join().ok().flatten()
    })
}

/// Takes everything away from the calling thread that can be; nothing is given back by a rule. It also gains no more
/// powers from a program it would run (`no_new_privs`), which the kernel asks for.
fn confine() -> Result<RestrictionStatus, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))?
        .handle_access(AccessNet::from_all(KNOWN))?
        .scope(Scope::from_all(KNOWN))?
        .create()?
        .restrict_self()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};
    use std::process::Command;

    use landlock::{LandlockStatus, RulesetStatus};

    use super::*;

    #[test]
    fn a_confined_thread_opens_nothing_and_connects_to_nothing() {
        let status = std::thread::spawn(confine).join().unwrap().unwrap();
        // A kernel that has none shows nothing here, one of before 6.7 nothing of the network.
        let (files, network) = match status.landlock {
            LandlockStatus::Available { effective_abi, .. } => (true, effective_abi >= ABI::V4),
            _ => (false, false),
        };
        assert_eq!(status.ruleset != RulesetStatus::NotEnforced, files);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let new = folder.path().join("new");
        let tries = || {
            [
                (files, File::open("/etc/passwd").map(drop)),
                (files, std::fs::read_dir("/").map(drop)),
                (files, File::create(&new).map(drop)),
                (files, Command::new("/bin/true").status().map(drop)),
                (network, TcpStream::connect(address).map(drop)),
                (network, TcpListener::bind("127.0.0.1:0").map(drop)),
            ]
        };
        let (own, of_a_child) = confined(|| {
            let of_a_child = std::thread::scope(|scope| scope.spawn(tries).join().unwrap());
            (tries(), of_a_child)
        })
        .unwrap();
        for (n, (is_refused, tried)) in own.into_iter().chain(of_a_child).enumerate() {
            let is_so = tried.is_err_and(|e| e.kind() == ErrorKind::PermissionDenied);
            assert_eq!(is_so, is_refused, "try {n}");
        }
        assert_eq!(new.exists(), !files);
        // Whoever asked for it goes on as before.
        for (_, tried) in tries() {
            tried.unwrap();
        }
    }

    #[test]
    fn what_panics_there_is_nothing() {
        assert_eq!(confined(|| 1), Some(1));
        let nothing = confined(|| -> u8 { std::panic::resume_unwind(Box::new(())) });
        assert_eq!(nothing, None);
    }
}
