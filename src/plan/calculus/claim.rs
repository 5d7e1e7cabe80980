//! A keep as the agent is told, and as somebody reads it.

use kube::ResourceExt;

use super::Claim;
use super::table::{is_store, may_be_one};
use crate::api::{PolicyRule, RegionSpec};
use crate::contract::{ColumnChange, RetentionKeep};

impl Claim<'_> {
    /// Whether it may be over the table of a rule: then it binds. Which store is meant by one that the Region does not have,
    /// nobody can know: each may be.
    pub(super) fn may_bind(&self, rule: &PolicyRule, region: &RegionSpec) -> bool {
        let (own, other) = (&self.rule.dataset, &rule.dataset);
        let is_there = || is_store((&own.store, &other.store), region);
        may_be_one(&own.table, &other.table) && (self.is_lost || is_there())
    }

    /// As the agent is told.
    pub(super) fn told(&self) -> RetentionKeep {
        RetentionKeep {
            clock: self.rule.dataset.clock.clone(),
            period: self.ground.period(),
            from: self.bound.anchor(),
            reference: self.ground.reference(),
            policy: self.policy.name_any(),
            columns: Vec::new(),
            others: Vec::new(),
            lasts: false,
        }
    }

    /// The same for an erasure by request, which takes what the law need not keep of a row.
    pub(super) fn told_of_columns(&self) -> RetentionKeep {
        let (columns, others) = self.columns();
        RetentionKeep {
            columns,
            others,
            ..self.told()
        }
    }

    /// The same for a rule of retention that takes it, while this keep lasts.
    pub(super) fn told_to_last(&self) -> RetentionKeep {
        RetentionKeep {
            columns: self.columns().0,
            lasts: true,
            ..self.told()
        }
    }

    /// The columns that it keeps of a row, and what goes of a kept one; none where it keeps whole rows.
    pub(super) fn columns(&self) -> (Vec<String>, Vec<ColumnChange>) {
        self.ground.columns(self.rule)
    }

    /// The law, and where somebody said that it counts.
    pub(super) fn law(&self) -> String {
        let (rule, policy) = (&self.rule.name, self.policy.name_any());
        let reference = self.ground.reference();
        let lost = if self.is_lost {
            let store = &self.rule.dataset.store;
            format!(", in store {store}, which this Region does not have")
        } else {
            String::new()
        };
        match self.ground.of_pack() {
            None => format!("{reference} (rule {rule} of DataPolicy {policy}{lost})"),
            Some((law, records)) => format!(
                "{reference} ({law}, for the {records} records of rule {rule} of DataPolicy {policy}{lost})"
            ),
        }
    }
}
