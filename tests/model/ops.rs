//! What may happen, as values that mean something in whatever state they meet: any part of a sequence is a sequence.

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Edit(Edit),
    Act(Act),
    /// Killed at the n-th call of that name, in its threads and children too if `deep`.
    Killed {
        act: Act,
        call: &'static str,
        n: u16,
        deep: bool,
    },
    /// With a clock that is wrong by so many days, for this once.
    Jumped {
        act: Act,
        days: i32,
    },
    /// At the same time.
    Together(Act, Act),
    /// Hours go by.
    Pass(u8),
    /// A person moves a snapshot out of the root.
    PutAway(u8),
    /// A person moves one back.
    BringBack(u8),
    /// A person moves away what is dated in the future, and discovers.
    PutAwayFuture,
    /// Older snapshots come into being, so many hours apart.
    Plant {
        host: u8,
        n: u8,
        hours: u16,
    },
    CopyDatabase,
    BringDatabaseBack(u8),
    SavePlan,
    Source(Source),
}

/// A change of the file; nothing is applied.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    Keep {
        host: u8,
        last: u8,
        daily: u8,
        monthly: u8,
    },
    Kinds {
        host: u8,
        kinds: u8,
    },
    Zone {
        host: u8,
        zone: u8,
    },
    Protect {
        host: u8,
        on: bool,
    },
    Enabled {
        host: u8,
        on: bool,
    },
    Prune {
        host: u8,
        on: bool,
    },
    Add(u8),
    Drop(u8),
    Remove {
        host: u8,
        goes: bool,
    },
    Rename {
        host: u8,
        to: u8,
    },
    Guard {
        max_delete: u8,
        percent: u8,
    },
    Elsewhere,
    /// All that was edited since the last apply is thrown away.
    Revert,
    /// Nothing is left in the file but one host.
    Wipe,
}

/// A call of the program.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Apply {
        prune: bool,
        lift: Lift,
    },
    /// With the fingerprint of the plan as it is now, or of one that was made then.
    Expect {
        prune: bool,
        old: Option<u8>,
    },
    ApplySaved {
        which: u8,
        prune: bool,
    },
    Backup {
        host: u8,
        scheduled: bool,
        prune: bool,
    },
    Scheduler,
    Retention {
        host: u8,
        max_delete: Option<u8>,
    },
    RetentionSaved {
        host: u8,
        which: u8,
    },
    Approve(u8),
    Hold(u8),
    Unhold(u8),
    Ack(u8),
    Pause(u8),
    Resume(u8),
    Discover,
    ClockIsRight,
    /// Sets a policy past the file.
    Drift {
        host: u8,
        last: u8,
    },
    /// Another database with a copy of the file, on the same root.
    Staging(u8),
    Look(u8),
}

/// A limit lifted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lift {
    Nothing,
    MaxDelete(u8),
    Delete { host: u8, n: u8 },
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    Change,
    Empty,
    Mode,
    FileToFolder,
}

/// Calls at which a kill leaves another state each time.
const CALLS: [&str; 9] = [
    "renameat2",
    "unlinkat",
    "pwrite64",
    "fdatasync",
    "fsync",
    "mkdirat",
    "openat2",
    "write",
    "syncfs",
];

/// xorshift64*: the same sequence from the same seed, on every machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Small seeds are alike in nearly all bits.
        let mut random = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..8 {
            random.next();
        }
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    #[allow(clippy::cast_possible_truncation, reason = "the bound fits")]
    fn byte(&mut self, bound: u8) -> u8 {
        self.below(u64::from(bound)) as u8
    }

    fn chance(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        let n = self.below(all.len() as u64);
        all[usize::try_from(n).unwrap()]
    }

    pub(crate) fn sequence(&mut self, steps: usize) -> Vec<Op> {
        let mut ops = Vec::new();
        while ops.len() < steps {
            if self.chance(16) {
                ops.extend(self.story());
            } else {
                ops.push(self.op());
            }
        }
        ops.truncate(steps);
        ops
    }

    /// What chance alone seldom puts together.
    fn story(&mut self) -> Vec<Op> {
        let host = self.byte(255);
        let keep = |last| {
            Op::Edit(Edit::Keep {
                host,
                last,
                daily: 0,
                monthly: 0,
            })
        };
        let prune = Act::Retention {
            host,
            max_delete: Some(20),
        };
        let plant = Op::Plant {
            host,
            n: 6,
            hours: 5,
        };
        let apply = Op::Act(Act::Apply {
            prune: false,
            lift: Lift::Nothing,
        });
        if self.chance(2) {
            // Older ones turn up after the review: nobody has seen that they would go.
            let act = Act::ApplySaved {
                which: 254,
                prune: true,
            };
            vec![plant.clone(), keep(2), Op::SavePlan, plant, Op::Act(act)]
        } else {
            // A prune is killed in the middle, and somebody regrets the policy.
            let killed = Op::Killed {
                act: prune,
                call: "renameat2",
                n: u16::from(self.byte(5)) + 1,
                deep: false,
            };
            let backup = Op::Act(Act::Backup {
                host,
                scheduled: true,
                prune: true,
            });
            let (before, after) = (keep(2), keep(9));
            vec![plant, before, apply.clone(), killed, after, apply, backup]
        }
    }

    fn op(&mut self) -> Op {
        match self.below(100) {
            0..18 => Op::Edit(self.edit()),
            18..60 => Op::Act(self.act()),
            60..73 => Op::Killed {
                act: self.heavy(),
                call: self.pick(&CALLS),
                n: u16::from(if self.chance(3) {
                    self.byte(70)
                } else {
                    self.byte(12)
                }) + 1,
                deep: self.chance(2),
            },
            73..76 => Op::Jumped {
                act: self.heavy(),
                days: self.pick(&[-400, -40, -2, 9, 60, 1200]),
            },
            76..81 => Op::Together(self.heavy(), self.quiet()),
            81..85 => Op::Pass(self.byte(60) + 1),
            85..87 => Op::PutAway(self.byte(255)),
            87..89 => Op::BringBack(self.byte(255)),
            89..91 => Op::PutAwayFuture,
            91..95 => Op::Plant {
                host: self.byte(255),
                n: self.byte(6) + 1,
                hours: self.pick(&[1, 5, 24, 24, 400]),
            },
            95 => Op::CopyDatabase,
            96 => Op::BringDatabaseBack(self.byte(255)),
            97..99 => Op::SavePlan,
            _ => Op::Source(self.pick(&[
                Source::Change,
                Source::Change,
                Source::Empty,
                Source::Mode,
                Source::FileToFolder,
            ])),
        }
    }

    fn edit(&mut self) -> Edit {
        let host = self.byte(255);
        match self.below(34) {
            0..11 => {
                let daily = self.byte(4);
                Edit::Keep {
                    host,
                    last: self.byte(4) + u8::from(daily == 0),
                    daily,
                    monthly: if self.chance(4) { self.byte(3) } else { 0 },
                }
            }
            11..13 => Edit::Kinds {
                host,
                kinds: self.byte(3),
            },
            13 => Edit::Zone {
                host,
                zone: self.byte(3),
            },
            14 => Edit::Protect {
                host,
                on: self.chance(2),
            },
            15..17 => Edit::Enabled {
                host,
                on: !self.chance(5),
            },
            17 => Edit::Prune {
                host,
                on: !self.chance(3),
            },
            18..23 => Edit::Add(host),
            23 => Edit::Drop(host),
            24..27 => Edit::Remove {
                host,
                goes: self.chance(2),
            },
            27..29 => Edit::Rename {
                host,
                to: self.byte(255),
            },
            29..31 => Edit::Guard {
                max_delete: self.byte(12),
                percent: self.pick(&[10, 30, 50, 100]),
            },
            31 => Edit::Elsewhere,
            32 => Edit::Revert,
            _ => Edit::Wipe,
        }
    }

    /// A call that may delete or make something.
    fn heavy(&mut self) -> Act {
        let host = self.byte(255);
        match self.below(10) {
            0..3 => Act::Apply {
                prune: !self.chance(3),
                lift: self.lift(),
            },
            3..6 => Act::Backup {
                host,
                scheduled: !self.chance(3),
                prune: !self.chance(4),
            },
            6..8 => Act::Scheduler,
            _ => Act::Retention {
                host,
                max_delete: self.chance(2).then_some(20),
            },
        }
    }

    /// A call that changes no configuration, for company.
    fn quiet(&mut self) -> Act {
        let host = self.byte(255);
        match self.below(9) {
            0..3 => Act::Hold(host),
            3 => Act::Scheduler,
            4 => Act::Retention {
                host,
                max_delete: None,
            },
            5 => Act::Backup {
                host,
                scheduled: true,
                prune: true,
            },
            6 => Act::Discover,
            7 => Act::Pause(host),
            _ => Act::Unhold(host),
        }
    }

    fn lift(&mut self) -> Lift {
        match self.below(6) {
            0 => Lift::MaxDelete(self.byte(20)),
            1 => Lift::Delete {
                host: self.byte(255),
                n: self.byte(20) + 1,
            },
            _ => Lift::Nothing,
        }
    }

    fn act(&mut self) -> Act {
        let host = self.byte(255);
        let which = self.byte(255);
        match self.below(60) {
            0..10 => Act::Apply {
                prune: self.chance(2),
                lift: self.lift(),
            },
            10..13 => Act::Expect {
                prune: self.chance(2),
                old: self.chance(2).then_some(which),
            },
            13..17 => Act::ApplySaved {
                which,
                prune: !self.chance(3),
            },
            17..26 => Act::Backup {
                host,
                scheduled: !self.chance(3),
                prune: self.chance(2),
            },
            26..31 => Act::Scheduler,
            31..35 => Act::Retention {
                host,
                max_delete: self.chance(2).then_some(20),
            },
            35..37 => Act::RetentionSaved { host, which },
            37..39 => Act::Approve(host),
            39..43 => Act::Hold(which),
            43..46 => Act::Unhold(which),
            46..47 => Act::Ack(host),
            47..48 => Act::Pause(host),
            48..51 => Act::Resume(host),
            51..53 => Act::Discover,
            53..55 => Act::ClockIsRight,
            55..57 => Act::Drift {
                host,
                last: self.byte(4) + 1,
            },
            57 => Act::Staging(which),
            _ => Act::Look(which),
        }
    }
}
