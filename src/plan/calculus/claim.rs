//! A keep as the agent is told, and as somebody reads it.

use kube::ResourceExt;

use super::Claim;
use crate::contract::{ColumnChange, RetentionKeep};

impl Claim<'_> {
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
        match self.ground.of_pack() {
            None => format!("{reference} (rule {rule} of DataPolicy {policy})"),
            Some((law, records)) => format!(
                "{reference} ({law}, for the {records} records of rule {rule} of DataPolicy {policy})"
            ),
        }
    }
}
