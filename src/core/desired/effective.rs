//! What one host would have, were it written otherwise.

use super::parts::{HostPart, Parts};
use super::resolve::{Index, Places, layers, resolve_host};
use super::{At, DesiredHost};
use crate::core::model::HostSettings;

struct Nowhere;

impl Places for Nowhere {
    fn place(&self, _: At) -> String {
        String::new()
    }

    fn are_all_told(&self) -> bool {
        false
    }
}

/// The effective settings of `host` among `parts`, of which it need not be one. Nothing is checked; nothing comes back
/// for a host without an address. A policy that keeps nothing is none.
#[must_use]
pub fn effective(parts: &Parts, host: &HostPart) -> Option<HostSettings> {
    let index = Index::of(parts);
    let layers: Vec<_> = layers(parts, host, &index).collect();
    let resolved = resolve_host(host, &layers, &index, &Nowhere, &mut Vec::new());
    resolved.map(|host: DesiredHost| host.settings)
}
