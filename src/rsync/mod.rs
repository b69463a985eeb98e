//! rsync over ssh: the argument vector, the process, what it says and what its exit means.
//!
//! One struct builds the command, and pure functions read its bytes. Knows neither backup roots nor SQL: a destination is
//! a path. No shell reads what a configuration or a host says, and nothing that a host sends is believed before it is
//! checked. Hooks run here too: they are children under the same rules.

mod argv;
mod ceiling;
mod connection;
mod cut;
mod difference;
mod group;
mod hook;
mod hooks_folder;
mod keyscan;
mod listed;
mod names;
mod outcome;
mod powers;
mod probe;
mod process;
mod progress;
mod remote_hook;
mod restore;
mod restore_links;
mod stats;
mod stop;
mod unescape;

pub use argv::Pull;
pub use ceiling::Ceiling;
pub use connection::Connection;
pub use difference::{Difference, Surprise};
pub use group::end_group;
pub use hook::{HookCall, HookError};
pub use hooks_folder::{HOOKS, HookProblem, HooksFolder};
pub use keyscan::{OfferedKey, add_known_host, scan};
pub use listed::{Brought, brought};
pub use names::Names;
pub use outcome::{Class, Room, Verdict, classify, is_full, restore_complaints, restored};
pub use probe::{MINIMUM_VERSION, Version, local_version, probe_remote, probe_sources};
pub use process::{Ended, Progress, Started, Transfer, bring, compare, heard, run};
pub use restore::{Held, Item, Pass, Restore, RestoreTarget, Seen};
pub use stats::Stats;
pub use stop::Stop;
