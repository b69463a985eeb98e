//! The right to work on one host, as the store hands it out.

use crate::core::model::{Fence, HostId, Label, Span, Timestamp};

/// The right to work on the directory of one host, for one server, until it expires by the clock of the database.
///
/// Whoever takes it over gets a larger fence: what an earlier holder still wants to write meets no row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The host.
    pub host: HostId,
    /// The server; a lone one needs no name.
    pub server: Option<Label>,
    /// Which claim it is.
    pub fence: Fence,
    /// How long it lasts from each sign of life on.
    pub length: Span,
}

impl Lease {
    /// The server as rows name it.
    pub(super) fn server_key(&self) -> &str {
        server_key(self.server.as_ref())
    }
}

/// A server as rows name it: a lone one has the empty name, which no other can have.
pub(super) fn server_key(server: Option<&Label>) -> &str {
    server.map_or("", Label::as_str)
}

/// A wish to work on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseWish {
    /// The host.
    pub host: HostId,
    /// The server that owns the root.
    pub server: Option<Label>,
    /// The process that will work on it, as `lock` files name it.
    pub process: String,
    /// How long it lasts from each sign of life on.
    pub length: Span,
    /// The claim whose process is known to be gone: it need not expire first.
    pub gone: Option<Fence>,
}

/// A lease that is in force, and who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLease {
    /// The lease.
    pub lease: Lease,
    /// The process that works on the host, as `lock` files name it.
    pub process: String,
}

/// What came of a [`LeaseWish`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a lease that is ours has to be given back"]
pub enum Leased {
    /// It is ours.
    Ours(Lease),
    /// Somebody else has it.
    Theirs {
        /// Who.
        process: String,
        /// Which claim it is.
        fence: Fence,
        /// Until when, if no further sign of life comes.
        expires_at: Timestamp,
    },
}
