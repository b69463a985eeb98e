//! The limits on how much may be deleted or retired at once.

use serde::{Deserialize, Serialize};

use super::Percent;

/// The limits that a plan is held against. Defaults as in the field names' documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct Guard {
    /// At most this many snapshots of a host are deleted by one run: 25.
    pub max_delete: u32,
    /// Of 10 snapshots of a host or more, at most this share is deleted by one run: 30.
    pub max_delete_percent: Percent,
    /// Of 10 managed hosts or more, at most this share leaves by one apply: 20.
    pub max_retire_percent: Percent,
    /// Of 100 snapshots of the fleet or more, at most this share may be deleted because of one change: 20.
    pub max_fleet_delete_percent: Percent,
    /// No run starts while less than this share of bytes or inodes is free on the root: 5.
    pub min_free: Percent,
}

impl Guard {
    /// Below this many snapshots of a host the percentage says nothing.
    pub const PERCENT_FROM_SNAPSHOTS: usize = 10;
    /// Below this many hosts the percentage says nothing.
    pub const PERCENT_FROM_HOSTS: usize = 10;
    /// Below this many snapshots of the fleet the percentage says nothing.
    pub const FLEET_FROM_SNAPSHOTS: usize = 100;

    /// The stricter of two sets of limits, limit by limit.
    ///
    /// A change of the guards themselves counts from the next apply, so that one merge cannot both lift a limit and
    /// make use of it.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        Self {
            max_delete: self.max_delete.min(other.max_delete),
            max_delete_percent: self.max_delete_percent.min(other.max_delete_percent),
            max_retire_percent: self.max_retire_percent.min(other.max_retire_percent),
            max_fleet_delete_percent: self
                .max_fleet_delete_percent
                .min(other.max_fleet_delete_percent),
            min_free: self.min_free.max(other.min_free),
        }
    }
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            max_delete: 25,
            max_delete_percent: Percent::clamped(30),
            max_retire_percent: Percent::clamped(20),
            max_fleet_delete_percent: Percent::clamped(20),
            min_free: Percent::clamped(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Guard;
    use crate::core::model::Percent;

    #[test]
    fn the_stricter_of_two_holds_limit_by_limit() {
        let loose = Guard {
            max_delete: 100,
            min_free: Percent::clamped(1),
            ..Guard::default()
        };
        let mixed = Guard {
            max_delete_percent: Percent::clamped(90),
            ..loose
        };
        assert_eq!(mixed.stricter(Guard::default()), Guard::default());
        assert_eq!(Guard::default().stricter(mixed), Guard::default());
    }
}
