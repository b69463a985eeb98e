//! From a plan to an approved one: the only thing an apply takes.

use std::collections::BTreeSet;

use super::{Plan, Refusal, RefusalScope};
use crate::core::desired::DesiredState;
use crate::core::model::{Fingerprint, HostName};

/// A plan that nothing stands against, with the state it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an approved plan changes nothing until it is applied"]
pub struct ApprovedPlan {
    plan: Plan,
    desired: DesiredState,
}

impl ApprovedPlan {
    /// Approves `plan`, which was made from `desired`.
    ///
    /// With `prune`, what stands against deleting counts too: an apply that would stop halfway does not begin.
    ///
    /// # Errors
    /// Gives back every refusal that counts.
    pub fn new(plan: Plan, desired: DesiredState, prune: bool) -> Result<Self, Vec<Refusal>> {
        let counts = |refusal: &&Refusal| prune || refusal.scope == RefusalScope::Apply;
        let refusals: Vec<Refusal> = plan.refusals.iter().filter(counts).cloned().collect();
        if refusals.is_empty() {
            Ok(Self { plan, desired })
        } else {
            Err(refusals)
        }
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What it asks for.
    #[must_use]
    pub fn desired(&self) -> &DesiredState {
        &self.desired
    }

    /// What it approves.
    #[must_use]
    pub fn approvals(&self) -> Vec<(HostName, Fingerprint)> {
        self.plan.approvals(&self.desired)
    }
}

impl Plan {
    /// Paused hosts whose policy an apply does not approve, each once, however many servers have snapshots of it.
    #[must_use]
    pub fn unseen(&self) -> BTreeSet<&HostName> {
        self.retention
            .iter()
            .filter(|plan| plan.paused && !plan.approved && plan.policy.is_some())
            .map(|plan| &plan.host)
            .collect()
    }

    /// What an apply of this plan, made from `desired`, approves: the policy of every host of the file that was looked at.
    ///
    /// Not the new policy of a host that is paused: the plan shows that it loses nothing, and once the pause is over it
    /// would lose what no reviewer has seen. The next plan after that shows it.
    #[must_use]
    pub fn approvals(&self, desired: &DesiredState) -> Vec<(HostName, Fingerprint)> {
        let unseen = self.unseen();
        let is_approved = |name: &HostName| {
            (self.hosts.is_empty() || self.hosts.contains(name)) && !unseen.contains(name)
        };
        let hosts = desired.hosts.iter().filter(|host| is_approved(&host.name));
        hosts
            .filter_map(|host| {
                let policy = host.settings.retention.as_ref()?;
                Some((host.name.clone(), policy.fingerprint()))
            })
            .collect()
    }
}
