//! Hooks of the host: run over ssh, from a folder that only the host's own operator fills.
//!
//! What the host's login shell reads is a fixed path and words of checked types: no quoting is needed, and a test holds
//! that none of them holds a character that a shell would take for its own.

use super::hook::{self, HookCall, HookError};
use super::hooks_folder::HOOKS;
use super::process::{Started, command};
use super::{HooksFolder, Pull, Room, Stop, outcome};
use crate::core::model::{HookName, Span};

/// How long a look may take.
const PATIENCE: Span = Span::from_seconds(60);

impl Pull {
    /// Runs a hook of the host; on this machine from the same folder, without ssh.
    ///
    /// `arguments` have to be words of `[A-Za-z0-9._-]`: the host's login shell reads them.
    ///
    /// # Errors
    /// When it is not there, fails, or is ended; or the host was not reached.
    pub fn run_remote_hook(
        &self,
        name: &HookName,
        call: HookCall<'_>,
        on_start: &mut dyn FnMut(Started),
    ) -> Result<(), HookError> {
        if self.address.is_local() {
            return HooksFolder::new(HOOKS.into()).run(name, call, on_start);
        }
        if let Some(word) = call.arguments.iter().find(|word| !is_plain(word)) {
            return Err(HookError::not_run(format!(
                "{word:?} is no word that a hook can be given"
            )));
        }
        let words = std::iter::once(format!("{HOOKS}/{name}"))
            .chain(call.arguments.iter().cloned())
            .collect::<Vec<_>>()
            .join(" ");
        self.on_the_host(name, words, call, on_start)
    }

    /// Looks whether the host has the hook and lets us run it.
    ///
    /// # Errors
    /// When it has not, or was not reached.
    pub fn probe_remote_hook(&self, name: &HookName) -> Result<(), HookError> {
        if self.address.is_local() {
            return Ok(HooksFolder::new(HOOKS.into()).find(name).map(|_| ())?);
        }
        let never = Stop::new();
        let call = HookCall {
            arguments: Vec::new(),
            environment: Vec::new(),
            input: Vec::new(),
            timeout: PATIENCE,
            stop: &never,
            log: None,
        };
        let words = format!("test -f {HOOKS}/{name} -a -x {HOOKS}/{name}");
        match self.on_the_host(name, words, call, &mut |_| {}) {
            Err(HookError::Failed {
                exit: 1,
                last: None,
            }) => Err(absent(name, 1, None)),
            done => done,
        }
    }

    fn on_the_host(
        &self,
        name: &HookName,
        words: String,
        call: HookCall<'_>,
        on_start: &mut dyn FnMut(Started),
    ) -> Result<(), HookError> {
        let mut argv = self.ssh_argv();
        argv.extend(["--".to_owned(), self.address.to_string(), words]);
        let (ended, last) = hook::attend(command(&argv), call, on_start)?;
        match ended.exit {
            Some(0) => Ok(()),
            // ssh(1): 255 is its own; sh(1): 126 and 127 are the shell's, for what it cannot run.
            Some(255) => {
                let verdict = outcome::classify(&ended, false, Room::default());
                Err(HookError::Unreached {
                    message: verdict.message,
                    retry: verdict.retry,
                    alarm: verdict.alarm,
                })
            }
            Some(exit @ (126 | 127)) => Err(absent(name, exit, last)),
            Some(_) if last.as_ref().is_some_and(|line| line.contains("rrsync")) => {
                Err(HookError::not_run(format!(
                    "the key may run nothing but rsync on the host (rrsync): let its `command=` run {HOOKS}/{name} too"
                )))
            }
            _ => Err(hook::failure(&ended, last)),
        }
    }
}

fn absent(name: &HookName, exit: i32, last: Option<String>) -> HookError {
    let said = last.map_or(String::new(), |line| {
        format!(" ({})", crate::core::model::visible(line.trim()))
    });
    HookError::not_run(format!(
        "the host has no program {HOOKS}/{name} that this user may run, exit {exit}{said}"
    ))
}

fn is_plain(word: &str) -> bool {
    !word.is_empty()
        && word
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn a_word_for_the_hosts_shell_holds_nothing_of_a_shells_own() {
        assert!(is_plain("20261122-021500Z__ab12cd") && is_plain("web-01.example"));
        for word in ["", "a b", "$(x)", "a;b", "~", "*", "a\nb", "'", "a/b", "é"] {
            assert!(!is_plain(word), "{word:?}");
        }
    }
}
