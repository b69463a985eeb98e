//! The files of a configuration on their way.

use std::collections::BTreeMap;

use camino::Utf8Path;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::config::{self, Bundle};
use crate::ops::load::plain_revision;
use crate::ops::{Configuration, Error};

/// The files of a configuration. Their names are shown in answers and matched by includes; none is opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sent {
    /// The file that is read first.
    #[schema(min_length = 1, max_length = 1024)]
    pub entry: String,
    /// The text of each file by its name; all but the entry lie below the entry's folder.
    pub files: BTreeMap<String, String>,
    /// The revision they are of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
}

impl Sent {
    /// A configuration of one file.
    #[must_use]
    pub fn alone(text: String) -> Self {
        let entry = "pobsync.kdl".to_owned();
        Self {
            files: BTreeMap::from([(entry.clone(), text)]),
            entry,
            revision: None,
        }
    }

    /// Reads it as if its files lay on disk, and no other.
    ///
    /// # Errors
    /// With the report of every mistake, or why the files are no configuration.
    pub(super) fn read(self) -> Result<Configuration, Error> {
        let is_plain = self.revision.as_deref().is_none_or(plain_revision);
        if !is_plain {
            return Err(Error::NotSendable {
                problem: "the revision is not a plain one".to_owned(),
            });
        }
        let bundle = Bundle::new(&self.entry, self.files).map_err(|error| Error::NotSendable {
            problem: error.to_string(),
        })?;
        let mut configuration = Configuration::try_from(config::load_bundle(bundle))?;
        configuration.source.revision = self.revision;
        Ok(configuration)
    }
}

/// Reads and checks the configuration at `path`, and packs its files for a server.
///
/// # Errors
/// With the report of every mistake, or why the files do not mean the same elsewhere.
pub fn load_to_send(path: &Utf8Path) -> Result<(Configuration, Sent), Error> {
    let loaded = config::load(path);
    let entry = loaded.files.first().map(|file| file.path.to_string());
    let files: BTreeMap<String, String> = loaded
        .files
        .iter()
        .map(|file| (file.path.to_string(), file.text.clone()))
        .collect();
    let configuration = Configuration::try_from(loaded)?;
    let sent = Sent {
        entry: entry.unwrap_or_default(),
        files,
        revision: configuration.source.revision.clone(),
    };
    // An include that reached its file by a link does not find it by its name.
    let read = sent.clone().read().map_err(|error| match error {
        Error::Invalid(_) => not_the_same(),
        error => error,
    })?;
    if read.desired == configuration.desired {
        Ok((configuration, sent))
    } else {
        Err(not_the_same())
    }
}

fn not_the_same() -> Error {
    Error::NotSendable {
        problem: "an include reaches its files by links, which cannot be sent".to_owned(),
    }
}
