//! Which rule goes first: the table that refers, before the table it refers to.
//!
//! In: who refers to whom. Out: an order, or the rules that stand in a circle. Pure.

/// Orders `count` rules so that each comes after all that refer to it; `edges` are (child, parent) pairs, and a
/// rule's reference to itself does not count. Rules without a say keep their order.
///
/// # Errors
/// The rules of a circle, in the order in which they refer to each other.
pub(super) fn children_first(
    count: usize,
    edges: &[(usize, usize)],
) -> Result<Vec<usize>, Vec<usize>> {
    let edges: Vec<_> = edges
        .iter()
        .filter(|(child, parent)| child != parent)
        .collect();
    let mut order = Vec::with_capacity(count);
    while order.len() < count {
        let waits = |rule: &usize| {
            edges
                .iter()
                .any(|(child, parent)| parent == rule && !order.contains(child))
        };
        match (0..count).find(|rule| !order.contains(rule) && !waits(rule)) {
            Some(rule) => order.push(rule),
            None => return Err(circle(count, &edges, &order)),
        }
    }
    Ok(order)
}

/// Walks from a waiting rule to a child it waits for, until a rule comes up again. Every waiting rule has such
/// a child, so the walk never ends otherwise.
fn circle(count: usize, edges: &[&(usize, usize)], placed: &[usize]) -> Vec<usize> {
    let mut walk: Vec<usize> = (0..count)
        .filter(|rule| !placed.contains(rule))
        .take(1)
        .collect();
    loop {
        let here = walk.last().copied();
        let next = edges
            .iter()
            .find(|(child, parent)| Some(*parent) == here && !placed.contains(child))
            .map(|(child, _)| *child);
        let Some(next) = next else { return walk };
        if let Some(start) = walk.iter().position(|rule| *rule == next) {
            let mut circle = walk.split_off(start);
            circle.reverse();
            return circle;
        }
        walk.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_parent_waits_for_all_its_children() {
        // 0 customers <- 1 orders <- 2 invoices, and 3 messages -> 0 and 1
        let order = children_first(4, &[(1, 0), (2, 1), (3, 0), (3, 1)]).unwrap();
        assert_eq!(order, [2, 3, 1, 0]);
    }

    #[test]
    fn a_table_may_refer_to_itself() {
        assert_eq!(children_first(2, &[(1, 1), (0, 0)]).unwrap(), [0, 1]);
    }

    #[test]
    fn a_circle_is_named_and_nothing_beside_it() {
        let circle = children_first(5, &[(0, 4), (1, 2), (2, 3), (3, 1), (4, 1)]).unwrap_err();
        assert_eq!(circle.len(), 3, "{circle:?}");
        for at in 0..3 {
            let pair = (circle[at], circle[(at + 1) % 3]);
            assert!([(1, 2), (2, 3), (3, 1)].contains(&pair), "{circle:?}");
        }
    }

    proptest! {
        #[test]
        fn an_order_respects_every_edge_and_a_circle_is_real(
            edges in prop::collection::vec((0_usize..8, 0_usize..8), 0..14)
        ) {
            match children_first(8, &edges) {
                Ok(order) => {
                    let at = |rule| order.iter().position(|other| *other == rule).unwrap();
                    for (child, parent) in edges {
                        prop_assert!(child == parent || at(child) < at(parent));
                    }
                }
                Err(circle) => {
                    prop_assert!(circle.len() > 1);
                    for at in 0..circle.len() {
                        let pair = (circle[at], circle[(at + 1) % circle.len()]);
                        prop_assert!(edges.contains(&pair), "{:?} {:?}", circle, edges);
                    }
                }
            }
        }
    }
}
