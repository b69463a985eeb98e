//! What a transfer must not exceed, shared by all who count.

use std::sync::OnceLock;

use crate::core::model::{Excess, Limits};

/// The limits of a transfer, and the one that it was found to be over.
#[derive(Debug, Default)]
pub struct Ceiling {
    limits: Limits,
    found: OnceLock<Excess>,
}

impl Ceiling {
    /// Nothing is over these limits yet.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            found: OnceLock::new(),
        }
    }

    /// The limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Hears what somebody has counted: names, and bytes of files or on disk.
    pub fn hear(&self, names: u64, bytes: u64) {
        let limits = &self.limits;
        if let Some(excess) = limits.on_names(names).or_else(|| limits.on_bytes(bytes)) {
            self.tell(excess);
        }
    }

    /// Hears of a limit that is exceeded; the first one counts.
    pub fn tell(&self, excess: Excess) {
        let _ = self.found.set(excess);
    }

    /// The limit that it is over.
    #[must_use]
    pub fn excess(&self) -> Option<Excess> {
        self.found.get().copied()
    }
}
