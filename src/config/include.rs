//! Which files an include means. Lists directories below the configuration's folder and no others, whatever links say.

use camino::{Utf8Path, Utf8PathBuf};

use super::watched::Watched;

/// More matches than this are a mistake of a pattern.
pub(super) const MOST_FILES: usize = 20_000;
/// Directories that `**` goes down.
const DEEPEST: usize = 16;

/// Why an include cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(super) enum IncludeError {
    #[error("this is no pattern: {0}")]
    Pattern(&'static str),
    #[error("{0} leads out of the folder of the configuration, or nowhere")]
    Outside(Utf8PathBuf),
    #[error("cannot read {path}: {source}")]
    Unreadable {
        path: Utf8PathBuf,
        source: std::io::Error,
    },
    #[error("{0} holds a name that is not UTF-8")]
    NotUtf8(Utf8PathBuf),
    #[error("more than {MOST_FILES} files are included")]
    TooMany,
}

/// The real paths of the files below `folder` that `pattern` means, sorted by the path that was matched. `folder` and
/// `root` are real paths, and `pattern` is relative and without `..`. What could change that is added to `watched`.
///
/// # Errors
/// When the pattern is none, a match leads out of `root`, or a directory cannot be listed.
pub(super) fn files(
    root: &Utf8Path,
    folder: &Utf8Path,
    pattern: &str,
    watched: &mut Watched,
) -> Result<Vec<Utf8PathBuf>, IncludeError> {
    let mut found = vec![folder.to_owned()];
    for component in pattern
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
    {
        let mut below = Vec::new();
        for directory in found {
            descend(root, &directory, component, &mut below, watched)?;
            if below.len() > MOST_FILES {
                return Err(IncludeError::TooMany);
            }
        }
        below.sort();
        below.dedup();
        found = below;
    }
    let mut files = Vec::new();
    for path in found {
        let real = real(root, &path)?;
        if !real.is_dir() {
            files.push(real);
        }
    }
    Ok(files)
}

/// What `component` means below one directory; nothing if that is none.
fn descend(
    root: &Utf8Path,
    directory: &Utf8Path,
    component: &str,
    below: &mut Vec<Utf8PathBuf>,
    watched: &mut Watched,
) -> Result<(), IncludeError> {
    let directory = real(root, directory)?;
    if !directory.is_dir() {
        return Ok(());
    }
    if component == "**" {
        return everything(&directory, 0, below, watched);
    }
    if !component.contains(['*', '?', '[']) {
        let path = directory.join(component);
        watched.below(root, &path);
        if path.symlink_metadata().is_ok() {
            below.push(path);
        }
        return Ok(());
    }
    let pattern =
        glob::Pattern::new(component).map_err(|error| IncludeError::Pattern(error.msg))?;
    // Editors leave hidden files beside those they edit.
    let options = glob::MatchOptions {
        require_literal_leading_dot: true,
        ..glob::MatchOptions::default()
    };
    let mut found = list(&directory, watched)?;
    found.retain(|path| {
        path.file_name()
            .is_some_and(|name| pattern.matches_with(name, options))
    });
    for link in found.iter().filter(|path| path.is_symlink()) {
        watched.below(root, link);
    }
    below.extend(found);
    Ok(())
}

/// The directory and all below it, links left alone.
fn everything(
    directory: &Utf8Path,
    depth: usize,
    below: &mut Vec<Utf8PathBuf>,
    watched: &mut Watched,
) -> Result<(), IncludeError> {
    below.push(directory.to_owned());
    if depth == DEEPEST || below.len() > MOST_FILES {
        return Ok(());
    }
    for path in list(directory, watched)? {
        let is_directory = path.symlink_metadata().is_ok_and(|found| found.is_dir());
        if is_directory && !path.file_name().is_some_and(|name| name.starts_with('.')) {
            everything(&path, depth + 1, below, watched)?;
        }
    }
    Ok(())
}

/// An unreadable directory is a mistake: its hosts would seem to have left.
fn list(directory: &Utf8Path, watched: &mut Watched) -> Result<Vec<Utf8PathBuf>, IncludeError> {
    watched.folder(directory);
    let unreadable = |source| IncludeError::Unreadable {
        path: directory.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in directory.as_std_path().read_dir().map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let name = name
            .to_str()
            .ok_or_else(|| IncludeError::NotUtf8(directory.to_owned()))?;
        found.push(directory.join(name));
    }
    Ok(found)
}

/// Where `path` leads, if that is below `root`. Outside it does not tell what is there and what is not.
fn real(root: &Utf8Path, path: &Utf8Path) -> Result<Utf8PathBuf, IncludeError> {
    match path.canonicalize_utf8() {
        Ok(real) if real.starts_with(root) => Ok(real),
        Err(source)
            if source.kind() == std::io::ErrorKind::PermissionDenied && !path.is_symlink() =>
        {
            Err(IncludeError::Unreadable {
                path: path.to_owned(),
                source,
            })
        }
        _ => Err(IncludeError::Outside(path.to_owned())),
    }
}
