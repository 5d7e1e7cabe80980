//! Rules that hide rows and erase none. What keeps rows does not keep them in sight: while a law wants them kept, another may want
//! nothing done with them but that.

use jiff::Span;

use super::bound::Bound;
use super::by_law::resolved;
use super::{Claim, Laws, Ruling, after, anchor, period, span, waits};
use crate::api::{DataPolicy, PolicyRule};
use crate::contract::Method;
use crate::contract::cutoff::Anchor;

/// A rule that hides rows on a day that its clock alone says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hiding<'a> {
    pub(super) rule: &'a PolicyRule,
    pub(super) anchor: Anchor,
    pub(super) span: Span,
}

/// What these policies hide of the tables that are wanted.
pub(super) fn hiding_over<'a>(
    policies: impl Iterator<Item = &'a DataPolicy>,
    laws: &Laws<'a>,
    is_wanted: impl Fn(&PolicyRule) -> bool,
) -> Vec<Hiding<'a>> {
    let mut all = Vec::new();
    for policy in policies {
        let wanted = policy.spec.rules.iter().filter(|rule| is_wanted(rule));
        all.extend(wanted.filter_map(|rule| hiding(policy, rule, laws)));
    }
    all
}

/// What waits for a contact or a notice hides a row on any later day; what has no period, on none.
fn hiding<'a>(policy: &'a DataPolicy, rule: &'a PolicyRule, laws: &Laws<'a>) -> Option<Hiding<'a>> {
    let restricts = |erase: &&crate::api::Erase| erase.method == Method::Restrict;
    rule.erase.as_ref().filter(restricts)?;
    let (erase, _) = resolved(policy, rule, laws)?;
    let span: Span = after(&erase).parse().ok()?;
    (span.is_positive() && !waits(&erase)).then(|| Hiding {
        rule,
        anchor: anchor(erase.from, &policy.spec),
        span,
    })
}

impl<'a> Ruling<'a> {
    /// The first of those that may keep rows for longer than the rule shows them.
    pub(super) fn keeps_hidden(&self) -> Option<&Claim<'a>> {
        let own = Bound::new(&self.rule.dataset.clock, self.anchor, span(&self.erase));
        let mut spared = self.spared.iter();
        spared.find(|claim| !own.outlasts(&claim.bound))
    }

    /// That hiding waits for no keep, of a rule that hides rows which one still keeps.
    pub(super) fn hidden_told(&self) -> Option<String> {
        let first = self.keeps_hidden()?;
        let clock = &first.rule.dataset.clock;
        let kept = period(&first.ground.period(), first.bound.anchor(), clock);
        let (others, keep) = match self.spared.len() {
            0 | 1 => (String::new(), "keeps"),
            2 => (" and 1 other keep".to_owned(), "keep"),
            more => (format!(" and {} other keeps", more - 1), "keep"),
        };
        Some(format!(
            "the rule hides rows once its own {} is over, and erases none: {}, {kept},{others} {keep} them, hidden or not",
            self.own(),
            first.law()
        ))
    }
}
