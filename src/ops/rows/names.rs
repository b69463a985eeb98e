//! The names of hosts: what a list needs to know of them, without reading ten thousand configurations.

use std::collections::BTreeMap;

use crate::core::model::{HostId, HostName};
use crate::ops::context::nearest;
use crate::ops::{Context, Error};
use crate::store::NamedHost;

/// Every host by its row.
pub(super) struct Names(BTreeMap<HostId, NamedHost>);

impl Names {
    /// Reads them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(super) fn read(context: &Context) -> Result<Self, Error> {
        let hosts = context.store.host_names()?;
        Ok(Self(
            hosts.into_iter().map(|host| (host.id, host)).collect(),
        ))
    }

    /// The name of a host.
    pub(super) fn of(&self, host: HostId) -> Option<&HostName> {
        self.0.get(&host).map(|host| &host.name)
    }

    /// The host of that name that is active, else one that was.
    ///
    /// # Errors
    /// When there is none; the message suggests the nearest name.
    pub(super) fn find(&self, name: &HostName) -> Result<HostId, Error> {
        let named = || self.0.values().filter(|host| host.name == *name);
        let found = named()
            .find(|host| !host.is_retired)
            .or_else(|| named().next());
        found.map(|host| host.id).ok_or_else(|| Error::UnknownHost {
            name: name.clone(),
            nearest: nearest(name, self.0.values().map(|host| &host.name)),
        })
    }
}
