//! Every operation of [`Outbox`], written once for every database that has a session.

use crate::core::model::{DeliveryId, Label, RunId, Span, Timestamp};
use crate::store::session::Database;
use crate::store::{
    Backlog, DeliveryClaim, DeliveryFilter, DeliveryRecord, EndedRun, NewEvent, Outbox, Raising,
    Settlement, StoreError,
};

use super::{deliveries, events};

impl<D: Database> Outbox for D {
    fn ended_runs(&self, quiet_attempts: u32, limit: u32) -> Result<Vec<EndedRun>, StoreError> {
        self.read(|s| events::ended_runs(s, quiet_attempts, limit))
    }

    fn raise(
        &self,
        new: &[NewEvent],
        told: &[RunId],
        at: Timestamp,
    ) -> Result<Raising, StoreError> {
        self.write(|s| events::raise(s, new, told, at))
    }

    fn forget_events(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.write(|s| events::forget(s, before))
    }

    fn due_deliveries(
        &self,
        now: Timestamp,
        longest_pause: Span,
        limit: u32,
    ) -> Result<Vec<DeliveryRecord>, StoreError> {
        self.read(|s| deliveries::due(s, now, longest_pause, limit))
    }

    fn claim_delivery(
        &self,
        delivery: DeliveryId,
        process: &str,
        now: Timestamp,
        lease: Span,
    ) -> Result<Option<DeliveryClaim>, StoreError> {
        self.write(|s| deliveries::claim(s, delivery, process, now, lease))
    }

    fn settle_delivery(
        &self,
        claim: &DeliveryClaim,
        settlement: &Settlement,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(|s| deliveries::settle(s, claim, settlement, at))
    }

    fn deliveries(
        &self,
        filter: &DeliveryFilter,
        limit: u32,
    ) -> Result<Vec<DeliveryRecord>, StoreError> {
        self.read(|s| deliveries::list(s, filter, limit))
    }

    fn retry_deliveries(
        &self,
        receiver: Option<&Label>,
        at: Timestamp,
    ) -> Result<usize, StoreError> {
        self.write(|s| deliveries::retry(s, receiver, at))
    }

    fn forget_deliveries(&self, receiver: Option<&Label>) -> Result<usize, StoreError> {
        self.write(|s| deliveries::forget(s, receiver))
    }

    fn backlog(&self) -> Result<Backlog, StoreError> {
        self.read(|s| deliveries::backlog(s))
    }
}
