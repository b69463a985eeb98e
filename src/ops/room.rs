//! How much room the backup root has, for pages.

use super::{Context, Error};
use crate::core::model::{AbsolutePath, Percent};
use crate::disk::{Root, Space};
use crate::store::RootRecord;

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
    // Whoever works for no server has none of the roots.
    let Ok(me) = context.me(&settings) else {
        return Ok(None);
    };
    let Some(path) = settings.root_of(me.as_ref()).cloned() else {
        return Ok(None);
    };
    let roots = context.store.roots()?;
    let id = RootRecord::of_server(&roots, &settings, me.as_ref());
    let root = Root::open(&path, id.map(|root| &root.id))?;
    Ok(Some(RootRoom {
        space: root.space()?,
        path,
        min_free: settings.guard.min_free,
    }))
}
