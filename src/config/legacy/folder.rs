//! The files below the prefix of the older service, read and left as they are.
//!
//! Whoever could write there must not make this read other files: everything is opened from the prefix, and no symbolic
//! link leads out of it.

use std::io::Read as _;
use std::os::fd::OwnedFd;

use camino::{Utf8Path, Utf8PathBuf};
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, ResolveFlags, fstat, openat, openat2};
use rustix::io::Errno;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyFile {
    /// Its path below the prefix.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// Why the files cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LegacyFolderError {
    /// Nothing of the older service is there.
    #[error("{prefix} holds neither config/global.yaml nor config/hosts/*.yaml")]
    Nothing {
        /// The prefix.
        prefix: Utf8PathBuf,
    },
    /// A link leads out of the prefix.
    #[error("{path} is or goes over a link that leads out of the prefix, which is not followed")]
    Escapes {
        /// The file.
        path: Utf8PathBuf,
    },
    /// It cannot be what it seems to be.
    #[error("{path} {why}")]
    Unfit {
        /// The file.
        path: Utf8PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The system says no.
    #[error("cannot read {path}")]
    Io {
        /// What was read.
        path: Utf8PathBuf,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

/// The file of a host is a hundred lines; this is far more.
const LARGEST: u64 = 1 << 20;
/// More hosts than the service is made for.
const MOST_FILES: usize = 20_000;

/// Reads `config/global.yaml` below `prefix`, if it is there, and every `config/hosts/*.yaml`, sorted by name; `.yml`
/// will do too.
///
/// # Errors
/// When neither is there, or one of them cannot be read as text of a bearable size from within the prefix.
pub fn legacy_files(
    prefix: &Utf8Path,
) -> Result<(Option<LegacyFile>, Vec<LegacyFile>), LegacyFolderError> {
    let failed = |errno: Errno| LegacyFolderError::Io {
        path: prefix.to_owned(),
        source: errno.into(),
    };
    let folder = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = openat(CWD, prefix.as_std_path(), folder, Mode::empty()).map_err(failed)?;
    let tree = Tree { root, prefix };
    let mut global = None;
    for name in ["config/global.yaml", "config/global.yml"] {
        global = match global {
            None => tree.file(name)?,
            there => there,
        };
    }
    let mut hosts = Vec::new();
    for name in tree.names("config/hosts")? {
        let path = format!("config/hosts/{name}");
        hosts.extend(tree.file(&path)?);
    }
    if global.is_none() && hosts.is_empty() {
        return Err(LegacyFolderError::Nothing {
            prefix: prefix.to_owned(),
        });
    }
    Ok((global, hosts))
}

struct Tree<'a> {
    root: OwnedFd,
    prefix: &'a Utf8Path,
}

impl Tree<'_> {
    fn open(&self, path: &str, flags: OFlags) -> Result<Option<OwnedFd>, LegacyFolderError> {
        let inside = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        match openat2(&self.root, path, flags, Mode::empty(), inside) {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::XDEV | Errno::LOOP) => Err(LegacyFolderError::Escapes {
                path: self.prefix.join(path),
            }),
            Err(errno) => Err(self.io(path, errno.into())),
        }
    }

    fn file(&self, path: &str) -> Result<Option<LegacyFile>, LegacyFolderError> {
        let Some(fd) = self.open(path, OFlags::empty())? else {
            return Ok(None);
        };
        let stat = fstat(&fd).map_err(|errno| self.io(path, errno.into()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(self.unfit(path, "is no plain file"));
        }
        let mut bytes = Vec::new();
        std::fs::File::from(fd)
            .take(LARGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| self.io(path, source))?;
        if bytes.len() as u64 > LARGEST {
            return Err(self.unfit(path, "is larger than 1 MiB"));
        }
        let text = String::from_utf8(bytes).map_err(|_| self.unfit(path, "is not UTF-8"))?;
        Ok(Some(LegacyFile {
            path: path.to_owned(),
            text,
        }))
    }

    /// The names of the YAML files in a folder, sorted; hidden ones are left out.
    fn names(&self, path: &str) -> Result<Vec<String>, LegacyFolderError> {
        let Some(fd) = self.open(path, OFlags::DIRECTORY)? else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        for entry in Dir::read_from(&fd).map_err(|errno| self.io(path, errno.into()))? {
            let entry = entry.map_err(|errno| self.io(path, errno.into()))?;
            let name = entry.file_name().to_bytes();
            let is_yaml = name.ends_with(b".yaml") || name.ends_with(b".yml");
            if name.starts_with(b".") || !is_yaml {
                continue;
            }
            let name = std::str::from_utf8(name)
                .map_err(|_| self.unfit(path, "holds a name that is not UTF-8"))?;
            names.push(name.to_owned());
            if names.len() > MOST_FILES {
                return Err(self.unfit(path, "holds more than 20000 files"));
            }
        }
        names.sort();
        Ok(names)
    }

    fn unfit(&self, path: &str, why: &'static str) -> LegacyFolderError {
        LegacyFolderError::Unfit {
            path: self.prefix.join(path),
            why,
        }
    }

    fn io(&self, path: &str, source: std::io::Error) -> LegacyFolderError {
        LegacyFolderError::Io {
            path: self.prefix.join(path),
            source,
        }
    }
}
