//! What `verify` understands.

use clap::Args;

use super::reading::RootArg;
use super::subject::HostSnapshot;
use crate::core::model::{ByteCount, Percent};

#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArgs {
    /// The hosts, each with all its snapshots, or one snapshot: HOST:NAME, HOST: and how one name alone begins, or
    /// HOST:latest
    #[arg(value_name = "HOST[:SNAPSHOT]", required_unless_present = "all")]
    pub(in crate::cli) subjects: Vec<HostSnapshot>,
    /// Every host
    #[arg(long, conflicts_with = "subjects")]
    pub(in crate::cli) all: bool,
    /// Read a part of the files, the next part each time, so that after 20 times 5% everything was read; names and
    /// attributes are compared of all
    #[arg(long, value_name = "PERCENT", value_parser = sample)]
    pub(in crate::cli) sample: Option<Percent>,
    /// Read no more than this in a second, as in 50MiB
    #[arg(long, value_name = "SIZE")]
    pub(in crate::cli) bwlimit: Option<ByteCount>,
    #[command(flatten)]
    pub(in crate::cli) root: RootArg,
}

/// A part that is something: nothing at all would always be sound.
fn sample(text: &str) -> Result<Percent, String> {
    match text.parse::<Percent>() {
        Ok(share) if share.get() == 0 => Err("a sample of nothing finds nothing".to_owned()),
        Ok(share) => Ok(share),
        Err(error) => Err(error.to_string()),
    }
}
