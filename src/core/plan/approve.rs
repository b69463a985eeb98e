//! From a plan to an approved one: the only thing an apply takes.

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

    /// The policy of every host that stands in the file and was looked at: what this plan approves.
    #[must_use]
    pub fn approvals(&self) -> Vec<(HostName, Fingerprint)> {
        let policy_of = |host: &crate::core::desired::DesiredHost| {
            Some((
                host.name.clone(),
                host.settings.retention.as_ref()?.fingerprint(),
            ))
        };
        let looked_at = |name: &HostName| {
            !self.plan.partial || self.plan.hosts.is_empty() || self.plan.hosts.contains(name)
        };
        self.desired
            .hosts
            .iter()
            .filter(|host| looked_at(&host.name))
            .filter_map(policy_of)
            .collect()
    }
}
