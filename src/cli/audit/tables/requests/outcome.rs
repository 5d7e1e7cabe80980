//! What a region's stores and recipients said of a request, in words.

use super::super::opt_outs;
use super::each;
use crate::contract::{ErasedTable, KeptRows, RecipientState, SEVERAL};
use crate::evidence::body;

/// What stores said, table by table.
pub(super) fn outcome(outcome: &body::RequestOutcome) -> String {
    let mut told = vec![format!("{:?}", outcome.progress)];
    for store in &outcome.stores {
        for table in &store.tables {
            let terms = ErasedTable::TERMS.iter().zip(table.terms());
            let terms = terms.filter(|(_, rows)| !rows.is_zero());
            let terms = each(terms, |(name, rows)| format!(", {name} {rows}")).replace("; ", "");
            let grounds = each(table.grounds.iter(), |it| {
                format!(" ({}: {})", law(it), it.rows)
            });
            let (store, name, found) = (&store.name, &table.name, table.found);
            told.push(format!("{store} {name}: found {found}{terms}{grounds}"));
        }
    }
    if !outcome.unasked.is_empty() {
        told.push(format!("not looked at: {}", outcome.unasked.join(", ")));
    }
    told.extend(
        outcome
            .suppressed
            .map(|it| format!("suppressed {it} values")),
    );
    told.extend(outcome.lifted.map(|it| format!("shown again {it} rows")));
    told.extend(outcome.opted_out.iter().map(opt_outs::told));
    told.extend(outcome.recipients.iter().map(recipient));
    let copy = outcome.delivered.as_ref();
    told.extend(copy.map(|it| format!("delivered {}, until {}", it.hash, it.expires_at)));
    let removed = copy.and_then(|it| it.removed_at.as_ref());
    told.extend(removed.map(|at| format!("the copy removed at {at}")));
    told.join("; ")
}

/// How many recipients stand how, those first whom somebody has to see to; none where nobody is to be told.
pub(super) fn standings(all: &[body::RequestRecipient]) -> String {
    let is_one = |one: &&body::RequestRecipient| one.recipient != SEVERAL;
    let told = RecipientState::ALL.into_iter().filter_map(|state| {
        let of = all.iter().filter(is_one).filter(|one| one.state == state);
        let count = of.count();
        (count > 0).then(|| format!("{count} {}", state.name()))
    });
    // Of those for whom a report had no room it has the least.
    let rest = all.iter().filter(|one| !is_one(one));
    let rest = rest.map(|one| format!("several {} or further", one.state.name()));
    let said = told.chain(rest).collect::<Vec<_>>().join(", ");
    let answered = [
        RecipientState::Refused,
        RecipientState::Told,
        RecipientState::NoData,
        RecipientState::Done,
    ];
    // Whoever is not concerned, or may not be told, is asked nothing.
    let asked = [RecipientState::Pending, RecipientState::Failed];
    let any = |states: &[RecipientState]| all.iter().any(|one| states.contains(&one.state));
    if any(&asked) && !any(&answered) {
        return format!("{said}: nobody has answered");
    }
    said
}

fn recipient(told: &body::RequestRecipient) -> String {
    let ground = told.ground.map(|ground| format!(" ({})", ground.name()));
    let (name, state) = (&told.recipient, told.state.name());
    format!("recipient {name}: {state}{}", ground.unwrap_or_default())
}

/// Why rows stay: the law, and whose rows it keeps where these are only referred to.
pub(super) fn law(kept: &KeptRows) -> String {
    match &kept.through {
        Some(table) => format!(
            "{}, which keeps rows of {table} that refer to them",
            kept.ground
        ),
        None if kept.columns.is_empty() => kept.ground.clone(),
        None => format!("{}, of {} alone", kept.ground, kept.columns.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_many_recipients_stand_how_is_seen_at_a_glance() {
        use RecipientState::{Done, Failed, Held, NotConcerned, Pending, Told};
        let told = |all: &[(&str, RecipientState)]| {
            let all = all.iter().map(|(name, state)| body::RequestRecipient {
                recipient: (*name).to_owned(),
                state: *state,
                ground: None,
            });
            standings(&all.collect::<Vec<_>>())
        };
        assert_eq!(told(&[]), "");
        let all = [
            ("s/a", Done),
            ("s/b", Pending),
            ("s/c", Told),
            ("s/d", Done),
            ("s/e", Failed),
            ("s/f", Held),
        ];
        assert_eq!(told(&all), "1 Pending, 1 Failed, 1 Held, 1 Told, 2 Done");
        let silent = [("s/a", Pending), ("s/b", Pending), ("s/c", Held)];
        assert_eq!(told(&silent), "2 Pending, 1 Held: nobody has answered");
        assert_eq!(told(&[("s/a", Failed)]), "1 Failed: nobody has answered");
        // Whoever is asked nothing does not keep silent.
        assert_eq!(
            told(&[("s/a", NotConcerned), ("s/b", Held)]),
            "1 Held, 1 NotConcerned"
        );
        let many = [("s/a", Done), (SEVERAL, Pending)];
        assert_eq!(told(&many), "1 Done, several Pending or further");
    }
}
