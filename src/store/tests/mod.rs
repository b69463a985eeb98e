//! Every operation on a real database, of either kind. Nothing here names one but `fresh`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../../../tests/common/mariadb.rs"]
#[allow(dead_code, unreachable_pub)]
pub(super) mod mariadb_server;

/// The same tests once more, on another database.
macro_rules! on_each_database {
    ($($database:ident: $fresh:path, $cases:literal cases);+ $(;)?) => {$(
        #[path = "."]
        #[allow(clippy::duplicate_mod)]
        mod $database {
            mod activity;
            mod claims;
            mod configure;
            mod discovery;
            mod fleet;
            mod inspections;
            mod leases;
            mod names;
            mod outbox;
            mod plans;
            mod properties;
            mod prune;
            mod runs;
            mod scale;
            mod snapshots;

            /// A fresh store, and words to fill it with.
            mod support {
                pub(super) use crate::store::tests::support::*;
                pub(super) use $fresh as fresh;
                /// So many random sequences: a database of its own for each costs MariaDB seconds.
                pub(super) const CASES: u32 = $cases;
            }
        }
    )+};
}

on_each_database! {
    on_sqlite: crate::store::tests::support::fresh_sqlite, 48 cases;
    on_mariadb: crate::store::tests::support::fresh_mariadb, 6 cases;
}

mod copies;
mod schemas;
pub(super) mod support;
