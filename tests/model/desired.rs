//! The configuration as the operators of the model write it.

use std::collections::BTreeMap;

/// What a host may be called.
pub(crate) const NAMES: [&str; 6] = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"];
pub(crate) const ZONES: [&str; 3] = ["UTC", "Europe/Amsterdam", "Pacific/Auckland"];

/// A retention policy, as far as the model knows any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) last: usize,
    pub(crate) daily: usize,
    pub(crate) monthly: usize,
    pub(crate) scheduled: bool,
    pub(crate) manual: bool,
    pub(crate) zone: &'static str,
}

impl Policy {
    pub(crate) fn takes(&self, kind: &str) -> bool {
        (kind == "scheduled" && self.scheduled) || (kind == "manual" && self.manual)
    }

    fn keep(&self) -> String {
        let rules = [
            ("last", self.last),
            ("daily", self.daily),
            ("monthly", self.monthly),
        ];
        let some = rules.iter().filter(|(_, n)| *n > 0);
        some.map(|(rule, n)| format!(" {rule}={n}")).collect()
    }

    fn kinds(&self) -> &'static str {
        match (self.scheduled, self.manual) {
            (true, true) => "\"scheduled\" \"manual\"",
            (false, true) => "\"manual\"",
            _ => "\"scheduled\"",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPart {
    pub(crate) policy: Policy,
    pub(crate) protect: bool,
    pub(crate) enabled: bool,
    pub(crate) prune: bool,
    pub(crate) was: Option<String>,
}

/// The whole file.
#[derive(Debug, Clone)]
pub(crate) struct Desired {
    pub(crate) max_delete: usize,
    pub(crate) percent: usize,
    /// The root of the file is an empty folder.
    pub(crate) elsewhere: bool,
    pub(crate) hosts: BTreeMap<String, HostPart>,
    /// Whether their snapshots go.
    pub(crate) removed: BTreeMap<String, bool>,
}

impl Desired {
    pub(crate) fn new() -> Self {
        let part = HostPart {
            policy: Policy {
                last: 3,
                daily: 3,
                monthly: 0,
                scheduled: true,
                manual: false,
                zone: ZONES[0],
            },
            protect: false,
            enabled: true,
            prune: true,
            was: None,
        };
        Self {
            max_delete: 6,
            percent: 50,
            elsewhere: false,
            hosts: NAMES[..3]
                .iter()
                .map(|name| ((*name).to_owned(), part.clone()))
                .collect(),
            removed: BTreeMap::new(),
        }
    }

    /// As KDL; `SOURCE` stands for the source.
    pub(crate) fn text(&self) -> String {
        let root = if self.elsewhere { "ROOT-empty" } else { "ROOT" };
        let mut text = format!(
            "/- kdl-version 2\nglobal {{ backup-root \"{root}\"; guard {{ max-delete {}; max-delete-percent {} }} }}\n",
            self.max_delete, self.percent
        );
        for (name, host) in &self.hosts {
            let was = host
                .was
                .as_ref()
                .map_or(String::new(), |was| format!(" was=\"{was}\""));
            let policy = &host.policy;
            text.push_str(&format!(
                "host \"{name}\"{was} {{ address \"local\"; source \"SOURCE\"; protect #{}; enabled #{}; timezone \"{}\"; \
                 retention {{ keep{}; kinds {} }}; schedule cron=\"15 2 * * *\" prune=#{} }}\n",
                host.protect, host.enabled, policy.zone, policy.keep(), policy.kinds(), host.prune
            ));
        }
        for (name, goes) in &self.removed {
            let word = if *goes { "delete" } else { "keep" };
            text.push_str(&format!("removed \"{name}\" snapshots=\"{word}\"\n"));
        }
        text
    }
}
