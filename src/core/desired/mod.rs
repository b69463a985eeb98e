//! The desired state: parts as written, checked and resolved into what every host should be.
//!
//! Pure: text and files are the configuration room's business; here are values with their places.

mod checks;
mod effective;
mod explain;
mod finding;
mod parts;
mod resolve;
mod state;

pub use effective::effective;
pub use explain::explain;
pub use finding::{At, Finding, Severity};
pub use parts::{
    GlobalPart, GroupPart, GuardPart, HooksPart, HostPart, Layer, LimitsPart, ListPart, Maybe,
    Parts, PrunePart, RemovedPart, RetentionNode, RetentionPart, RetentionUse, RsyncPart,
    ScheduleNode, SchedulePart, ScheduleUse, ServerPart, SmtpPart, Spanned, SshPart, VerifyPart,
};
pub use resolve::{Piece, Places, Resolving, named_policies};
pub use state::{DesiredHost, DesiredState, Removed};
