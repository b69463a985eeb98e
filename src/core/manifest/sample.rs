//! Which part of a tree is read.

/// So many slots: a sample is at least a ten-thousandth.
const SLOTS: u32 = 10_000;

/// A part of all paths, that goes round: the next sample begins where this one ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    from: u32,
    slots: u32,
}

impl Sample {
    /// Everything.
    pub const ALL: Self = Self {
        from: 0,
        slots: SLOTS,
    };

    /// The part of `basis_points` ten-thousandths that begins at slot `from`.
    #[must_use]
    pub fn new(from: u32, basis_points: u32) -> Self {
        Self {
            from: from % SLOTS,
            slots: basis_points.clamp(1, SLOTS),
        }
    }

    /// Says that it is everything.
    #[must_use]
    pub fn is_all(self) -> bool {
        self.slots == SLOTS
    }

    /// Its share in ten-thousandths.
    #[must_use]
    pub fn basis_points(self) -> u32 {
        self.slots
    }

    /// Where the next one begins.
    #[must_use]
    pub fn next(self) -> u32 {
        (self.from + self.slots) % SLOTS
    }

    /// Says that after this one everything has been read since slot 0.
    #[must_use]
    pub fn ends_a_round(self) -> bool {
        self.from + self.slots >= SLOTS
    }

    /// Says that the file at `path` is read. The same path is in the same part in every snapshot, so that a file many of
    /// them share is read once.
    #[must_use]
    pub fn holds(self, path: &[u8]) -> bool {
        if self.is_all() {
            return true;
        }
        self.holds_slot(Self::slot(path))
    }

    /// Says that the files in a slot are read.
    #[must_use]
    pub fn holds_slot(self, slot: u32) -> bool {
        (slot % SLOTS + SLOTS - self.from) % SLOTS < self.slots
    }

    /// The slot of a path.
    #[must_use]
    pub fn slot(path: &[u8]) -> u32 {
        slot_of(path)
    }
}

/// FNV-1a with a last mix: it must never change, or a round would leave files out.
fn slot_of(path: &[u8]) -> u32 {
    let hash = path.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    u32::try_from(mixed % u64::from(SLOTS)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::Sample;

    #[test]
    fn twenty_samples_of_a_twentieth_read_each_path_once() {
        let paths: Vec<String> = (0..20_000).map(|n| format!("var/lib/{n}/file")).collect();
        let mut read = vec![0_u32; paths.len()];
        let mut from = 0;
        for round in 0..20 {
            let sample = Sample::new(from, 500);
            let mut count = 0_u32;
            for (path, times) in paths.iter().zip(&mut read) {
                let is_read = sample.holds(path.as_bytes());
                *times += u32::from(is_read);
                count += u32::from(is_read);
            }
            assert!((800..1200).contains(&count), "{count} of 20000");
            assert_eq!(sample.ends_a_round(), round == 19);
            from = sample.next();
        }
        assert!(read.iter().all(|times| *times == 1));
    }

    #[test]
    fn a_sample_of_everything_holds_everything() {
        assert!(Sample::ALL.holds(b"x") && Sample::ALL.is_all());
        assert_eq!(Sample::new(9_999, 20_000).basis_points(), 10_000);
    }
}
