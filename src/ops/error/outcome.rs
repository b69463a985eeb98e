//! How a command ends with an error, and whether the same may work later.

use super::Error;
use crate::core::model::RunCause;
use crate::core::plan::Outcome;
use crate::disk::DiskError;
use crate::ops::output_file::OutputFileError;
use crate::ops::saved::SavedPlanError;
use crate::store::StoreError;

impl Error {
    /// How a command ends with it: the one table from error class to exit code.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::ServerUnreachable { .. } => Outcome::Unreachable,
            Self::ServerSays { outcome, .. } => *outcome,
            Self::Reading(error) => error.outcome(),
            Self::ServerAddress { .. } | Self::NoToken | Self::NotForServer { .. } => {
                Outcome::Usage
            }
            Self::Invalid(_)
            | Self::NotSendable { .. }
            | Self::NewReferences { .. }
            | Self::EmptyPolicy(_)
            | Self::Value(_)
            | Self::LegacyMistakes { .. }
            | Self::Password { .. }
            | Self::RootIsSlash => Outcome::Invalid,
            // Bytes that are no text are a file that is no plan.
            Self::SavedPlan(SavedPlanError::File { source, .. })
                if source.kind() != std::io::ErrorKind::InvalidData =>
            {
                Outcome::Failed
            }
            Self::SavedPlan(_) => Outcome::Invalid,
            Self::OutputFile(OutputFileError::Io { .. }) => Outcome::Failed,
            Self::OutputFile(_) | Self::NotAPlanCommand { .. } => Outcome::Usage,
            Self::Store(StoreError::Stale(_)) => Outcome::Stale,
            Self::Store(
                StoreError::Protected { .. }
                | StoreError::LastSuperuser { .. }
                | StoreError::NotEmpty { .. },
            ) => Outcome::Refused,
            Self::DatabaseAddress(_) => Outcome::Usage,
            Self::Store(
                StoreError::NameTaken { .. }
                | StoreError::Unknown { .. }
                | StoreError::AccountExists { .. }
                | StoreError::Retired { .. }
                | StoreError::SnapshotIs { .. }
                | StoreError::RunIs { .. }
                | StoreError::CopyDiffers { .. },
            ) => Outcome::Failed,
            Self::Store(StoreError::LeaseLost { .. }) => Outcome::Locked,
            Self::Store(_) => Outcome::Unreachable,
            Self::Gate(gate) => gate.outcome(),
            Self::Refused { .. }
            | Self::RootInUse { .. }
            | Self::TooFull { .. }
            | Self::OverQuota { .. } => Outcome::Refused,
            Self::Disk(error)
                if error.is_not_mounted() || matches!(error, DiskError::ForeignLineage { .. }) =>
            {
                Outcome::Refused
            }
            Self::Disk(DiskError::Unfit { .. }) => Outcome::Invalid,
            Self::KeptIsNotWhole { .. }
            | Self::Stale { .. }
            | Self::AppliedAlready { .. }
            | Self::NotTheExpectedPlan { .. } => Outcome::Stale,
            Self::Locked { .. } | Self::AtWork { .. } | Self::EnoughAtWork { .. } => {
                Outcome::Locked
            }
            Self::WhichServer { .. }
            | Self::UnknownServer { .. }
            | Self::RootOfServer { .. }
            | Self::RootOfOther { .. }
            | Self::OtherServer { .. }
            | Self::SnapshotElsewhere { .. }
            | Self::PlanWithOptions
            | Self::PlanWithoutState
            | Self::PlanOfKinds { .. }
            | Self::UnknownHost { .. }
            | Self::UnknownSnapshot { .. }
            | Self::UnknownPlan { .. }
            | Self::UnknownRun { .. }
            | Self::UnknownAccount { .. }
            | Self::NotInPlan { .. }
            | Self::NoReceiver { .. }
            | Self::NoBase { .. }
            | Self::NeedsAddress { .. }
            | Self::Simulation(_)
            | Self::KindsOutsidePolicy { .. } => Outcome::Usage,
            Self::Disk(_)
            | Self::Stdout { .. }
            | Self::Reference { .. }
            | Self::Retired { .. }
            | Self::Paused { .. }
            | Self::NoPolicy { .. }
            | Self::NoLog { .. }
            | Self::NoRuns { .. }
            | Self::NoBackupRoot
            | Self::NotConfirmed { .. }
            | Self::NobodyToAsk { .. }
            | Self::File { .. }
            | Self::ChangedMeanwhile { .. }
            | Self::Exists { .. }
            | Self::NotExportable { .. }
            | Self::NotEditable { .. }
            | Self::ExportTooLarge
            | Self::Program { .. }
            | Self::LegacyFolder(_)
            | Self::Json(_) => Outcome::Failed,
        }
    }

    /// Says that the same may work in a while by itself: somebody else is at work, or a disk is not mounted yet.
    #[must_use]
    pub fn is_worth_a_retry(&self) -> bool {
        match self {
            Self::Locked { .. } | Self::AtWork { .. } | Self::EnoughAtWork { .. } => true,
            Self::Store(error) => error.is_retryable(),
            Self::Disk(error) => error.is_not_mounted(),
            _ => false,
        }
    }

    /// Why a run that ends with it did not end well.
    #[must_use]
    pub fn cause(&self) -> RunCause {
        match self.outcome() {
            Outcome::ApprovalMissing => RunCause::Approval,
            Outcome::Refused | Outcome::Stale => RunCause::Guard,
            Outcome::Locked => RunCause::Passing,
            _ if matches!(self, Self::Store(error) if error.is_retryable()) => RunCause::Passing,
            _ => RunCause::Lasting,
        }
    }
}
