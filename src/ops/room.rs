//! How much room the backup root has, for pages.

use super::{Context, Error};
use crate::core::model::{AbsolutePath, Percent};
use crate::disk::{Root, Space};

/// The root and the room on it.
#[derive(Debug, Clone)]
pub struct RootRoom {
    /// Its path.
    pub path: AbsolutePath,
    /// The room.
    pub space: Space,
    /// A run starts with at least so much of it free.
    pub min_free: Percent,
}

/// The room on the root that SQL names; nothing if none is set. Takes nothing into use.
///
/// # Errors
/// When the root is not there.
pub fn root_room(context: &Context) -> Result<Option<RootRoom>, Error> {
    let settings = context.store.global_settings()?;
    let Some(path) = settings.backup_root else {
        return Ok(None);
    };
    let roots = context.store.roots()?;
    let id = roots.into_iter().find(|root| root.path == path);
    let root = Root::open(&path, id.as_ref().map(|root| &root.id))?;
    Ok(Some(RootRoom {
        space: root.space()?,
        path,
        min_free: settings.guard.min_free,
    }))
}
