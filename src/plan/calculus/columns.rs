//! Keeps that name columns: what they keep of a row, and what becomes of the others in runs.

use super::parts::Fate;
use super::{Claim, NAMED, Ruling};

impl Ruling<'_> {
    /// A sentence for each of the keeps that name columns, of the first few.
    pub(super) fn columns_told(&self, claims: &[&Claim<'_>]) -> Vec<String> {
        let first = claims.iter().take(NAMED);
        first.filter_map(|claim| self.of_columns(claim)).collect()
    }

    fn of_columns(&self, claim: &Claim<'_>) -> Option<String> {
        let mut keeps = self.keeps.iter();
        let at = keeps.position(|own| std::ptr::eq(own, claim))?;
        let (columns, others) = claim.columns();
        let kept = names(columns.iter().map(String::as_str));
        let others = names(others.iter().map(|other| other.name.as_str()));
        let rest = match self.fate(at)? {
            Fate::Before(part) => format!(
                "{others} go before, once the rule's own {}{} (counted as {})",
                self.own(),
                self.ended(&part.waits),
                part.name
            ),
            Fate::With => format!(
                "{others} go with that in a run, the rule's own {} ends no earlier; a request takes them before",
                self.own()
            ),
            Fate::Kept(place) => format!(
                "what becomes of {others} is for {} to say, which lasts as long",
                self.keeps.get(place)?.law()
            ),
            Fate::Unsaid => "the other columns stay with that on no ground of their own, also in a request: keep.others says \
                             what goes"
                .to_owned(),
        };
        let law = claim.ground.reference();
        Some(format!("of a row {law} keeps {kept}: {rest}"))
    }

    /// That the period, and what else has to end, is over.
    fn ended(&self, waits: &[usize]) -> String {
        let laws = waits.iter().filter_map(|at| self.keeps.get(*at));
        let laws: Vec<String> = laws
            .take(NAMED)
            .map(|claim| claim.ground.reference())
            .collect();
        if laws.is_empty() {
            return " is over".to_owned();
        }
        let more = match waits.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!(", and {}{more}, are over", laws.join(", "))
    }
}

fn names<'n>(all: impl ExactSizeIterator<Item = &'n str>) -> String {
    let more = all.len().saturating_sub(NAMED);
    let mut names: Vec<String> = all.take(NAMED).map(str::to_owned).collect();
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}
