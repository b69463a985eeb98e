//! What the operator can do about an error.

use super::Error;
use crate::core::model::Label;
use crate::core::plan::GateError;
use crate::ops::output_file::OutputFileError;
use crate::ops::saved::SavedPlanError;

impl Error {
    /// What the operator can do, where the message does not say it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Store(error) => return error.help(),
            Self::Disk(error) if error.is_out_of_space() => {
                "make room on the backup root: df shows whether bytes are used up, df -i whether inodes are".into()
            }
            Self::Disk(error) if error.is_read_only() => {
                "look at the kernel's log: a file system that failed is made read-only; mend it and mount it again".into()
            }
            Self::Gate(gate @ GateError::ApprovalMissing { .. }) => gate.help(),
            Self::Value(invalid) if !invalid.help.is_empty() => invalid.help.clone(),
            Self::Stale { .. } | Self::NotTheExpectedPlan { .. } => "make a new plan and have it reviewed".into(),
            Self::AppliedAlready { .. } => "make a new plan to see what is left to do".into(),
            Self::SavedPlan(SavedPlanError::Newer { .. }) => "use the pobsync that made it, or make a new plan".into(),
            Self::SavedPlan(SavedPlanError::Edited { .. }) => {
                "make a new plan: what was reviewed can no longer be told from what was changed".into()
            }
            Self::SavedPlan(SavedPlanError::NotAPlan { .. }) => "make a new plan".into(),
            Self::SavedPlan(
                SavedPlanError::NotAnInventory { .. } | SavedPlanError::LacksHost { .. },
            ) => "write it again on the server: pobsync inventory".into(),
            Self::NotAPlanCommand { .. } => "plan, show-plan and retention HOST print plans; text and json are for all".into(),
            Self::OutputFile(OutputFileError::NotOurs { .. }) => "name another file, or remove this one first".into(),
            Self::OutputFile(OutputFileError::Link { .. } | OutputFileError::Reserved { .. }) => {
                "name a file of its own".into()
            }
            Self::UnknownHost { nearest: Some(name), .. } => format!("did you mean {name}?"),
            Self::UnknownHost { nearest: None, .. } => "pobsync hosts lists them".into(),
            Self::UnknownPlan { .. } => "pobsync plans lists them; a file of that name is ./N".into(),
            Self::UnknownSnapshot { host, .. } => format!("pobsync snapshots {host} lists them"),
            Self::NoReceiver { .. } => "add it to `global`, and apply".into(),
            Self::Password { .. } => "choose a longer one: several words are easy to remember".into(),
            Self::UnknownAccount { name } => format!("make it with: pobsync create-superuser {name}"),
            Self::Paused { host, pause: Some(_) } => format!("pobsync resume {host}"),
            Self::Paused { host, pause: None } => format!("set `enabled #true` for it, or pobsync configure-host {host} --enabled true"),
            Self::Reading(error) => return error.help(),
            Self::Simulation(error) => error.help(),
            Self::NeedsAddress { .. } => "say it with --address".into(),
            Self::NoPolicy { host } => {
                format!("give it one: `retention` in the file, or pobsync configure-host {host} --keep \"daily=7\"")
            }
            Self::NoBackupRoot => {
                "set `backup-root` in `global` and apply, or pobsync configure-global --backup-root DIR".into()
            }
            Self::NotExportable { .. } => "set them otherwise with pobsync configure-host, then export again".into(),
            Self::ExportTooLarge => "say --out FILE: the hosts then go into files of their own beside it".into(),
            Self::LegacyMistakes { .. } => "mend them in a copy of the folder, and name that with --prefix".into(),
            Self::NoBase { .. } => "name a file, or a revision of the repository that holds the file".into(),
            Self::ChangedMeanwhile { .. } => "try again".into(),
            Self::RootIsSlash => "name a folder of its own, on the disk that holds the backups".into(),
            Self::RootInUse { server: None, .. } => {
                "move or mount the root with its .pobsync-root marker at the new path first".into()
            }
            Self::RootInUse { server: Some(server), old, .. } => format!(
                "write `backup-root \"{old}\"` into the `server` node of {server} and apply that first, or move the root of {server} with its .pobsync-root marker and say --as {server}, if it alone has that root"
            ),
            Self::TooFull { .. } => "make room, or lower `min-free` in `guard`".into(),
            Self::OverQuota { host, .. } => format!(
                "look at pobsync du {host}, delete some by pobsync retention {host} --apply, or raise `quota` in its `limits`"
            ),
            Self::KeptIsNotWhole { host, .. } => {
                format!("the row is marked missing; bring the directory back and run pobsync discover-snapshots --host {host}, then plan again")
            }
            Self::NobodyToAsk { .. } => "say --yes to go on without asking".into(),
            Self::AtWork { run, .. } => format!("wait for it, or stop it: pobsync cancel {run}"),
            Self::EnoughAtWork { .. } => "wait for one to end, or raise `max-concurrent` in `global`".into(),
            Self::UnknownRun { .. } => "pobsync runs lists them".into(),
            Self::WhichServer { servers } => {
                let name = servers.first().map_or("NAME", Label::as_str);
                format!("say which with --as {name}, or set POBSYNC_SERVER")
            }
            Self::UnknownServer { .. } => "correct --as or POBSYNC_SERVER, or add a `server` node and apply it".into(),
            Self::RootOfServer { server, own } => format!(
                "take that into use with pobsync --as {server} init --backup-root {own}, or change the node and apply it first"
            ),
            Self::RootOfOther { path, owner, .. } => format!(
                "on the machine of {owner} say --as {owner}; if its disk has come here for good, take the `server` node \
                 of {owner} out of the file first; else mount this server's own disk at {path}"
            ),
            Self::OtherServer { server, .. } | Self::SnapshotElsewhere { server, .. } => {
                format!("do that on {server}, where its root is: pobsync --as {server} …")
            }
            Self::Locked { .. } => "wait for it, or look at pobsync runs".into(),
            Self::PlanOfKinds { .. } => "make a plan without --kind, and look at that one".into(),
            Self::PlanWithoutState => "carry it out with pobsync retention HOST --plan PLAN --apply".into(),
            Self::NewReferences { .. } => {
                "apply it once on the server itself: from then on it can be sent".into()
            }
            Self::ServerSays { help, .. } => return help.clone(),
            Self::ServerAddress { .. } => {
                "write it like https://backup.example.net; http:// is for 127.0.0.1 alone".into()
            }
            Self::NoToken => {
                "set POBSYNC_TOKEN or say --token-file FILE; on the server: pobsync token create NAME --scope plan".into()
            }
            Self::NotForServer { .. } => "do that on the server itself".into(),
            Self::Program { help, .. } if !help.is_empty() => help.clone(),
            _ => return None,
        })
    }
}
