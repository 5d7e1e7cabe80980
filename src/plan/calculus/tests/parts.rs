//! What goes of rows that a keep of some columns keeps.

use super::*;
use crate::contract::RetentionRule;

/// A keep of some columns, or of whole rows.
fn columns(name: &str, period: &str, columns: &[&str], others: &[&str]) -> Value {
    let mut rule = keep(name, "orders", "invoices", period);
    rule["keep"]["from"] = json!("EventDate");
    let others: Vec<Value> = others.iter().map(|name| json!({"name": name})).collect();
    json_patch(
        &mut rule["keep"],
        &json!({"columns": columns, "others": others}),
    );
    rule
}

/// The parts of the first policy's rule: name, which keeps have to have ended, which has to last, what goes.
fn parts(own: &Value, others: &[Value]) -> Vec<String> {
    let mut policies = vec![policy("own", &json!([own]))];
    policies.extend(
        others
            .iter()
            .map(|rule| policy(rule["name"].as_str().unwrap(), &json!([rule]))),
    );
    let (facts, region) = (facts(&policies), region());
    let rulings = rulings(&facts, &region, now());
    let told = rulings[0].parts().map(|part| {
        let keeps = rulings[0].keeps_of(&part);
        let keeps = keeps.iter().map(|keep| {
            if keep.lasts {
                format!("while {} {}", keep.period, keep.columns.join(","))
            } else {
                format!("after {}", keep.period)
            }
        });
        let keeps: Vec<String> = keeps.collect();
        let columns: Vec<&str> = part
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        format!("{} {}: {}", part.name, keeps.join(" "), columns.join(","))
    });
    told.collect()
}

#[test]
fn what_a_keep_lets_go_is_a_part_of_the_rule_while_the_keep_lasts() {
    let own = || erase("invoices", "P3Y");
    let tax = columns("tax", "P8Y", &["no", "total"], &["email", "note"]);
    assert_eq!(
        parts(&own(), std::slice::from_ref(&tax)),
        ["erases/others/tax/tax while P8Y no,total: email,note"]
    );
    // Its own keep, by its own columns.
    let mut both = own();
    both["erase"] = json!({"after": "P3Y", "method": "Anonymise", "columns": [{"name": "email"}, {"name": "no"}]});
    both["keep"] = json!({"for": "P8Y", "reference": "AO 147(3)", "columns": ["no"]});
    assert_eq!(parts(&both, &[]), ["erases/others while P8Y no: email"]);
    // Whole rows, and one of the columns, are waited for; what names neither is not. `names` ends before `apart`, which takes `phone`.
    let whole = keep("whole", "orders", "invoices", "P5Y");
    let names = columns("names", "P4Y", &["email"], &["phone"]);
    let apart = columns("apart", "P6Y", &["street"], &["phone"]);
    assert_eq!(
        parts(&own(), &[tax.clone(), whole, names, apart]),
        [
            "erases/others/apart/apart while P6Y street after P5Y: phone",
            "erases/others/tax/tax after P4Y while P8Y no,total after P5Y: email,note",
        ]
    );
}

#[test]
fn where_nothing_goes_before_the_row_there_is_no_part() {
    let tax = |period: &str| columns("tax", period, &["total"], &["email"]);
    for (after, period) in [("P8Y", "P3Y"), ("P5Y1D", "P5Y"), ("P6M", "P3M")] {
        assert!(
            parts(&erase("invoices", after), &[tax(period)]).is_empty(),
            "{after} {period}"
        );
    }
    // A law of whole rows that surely lasts as long.
    let whole = columns("whole", "P9Y", &[], &[]);
    assert!(parts(&erase("invoices", "P3Y"), &[tax("P8Y"), whole]).is_empty());
    let mut hides = erase("invoices", "P3Y");
    hides["erase"]["method"] = json!("Restrict");
    assert!(parts(&hides, &[tax("P8Y")]).is_empty());
    let unsaid = columns("tax", "P8Y", &["total"], &[]);
    assert!(parts(&erase("invoices", "P3Y"), &[unsaid]).is_empty());
}

/// Two that let one column go would set it in turn: the second waits until the first is over.
#[test]
fn of_two_keeps_that_let_one_column_go_the_first_takes_it() {
    let one = columns("one", "P6Y", &["total"], &["email", "note"]);
    let two = columns("two", "P8Y", &["street"], &["note", "phone"]);
    assert_eq!(
        parts(&erase("invoices", "P3Y"), &[one, two]),
        [
            "erases/others/one/one while P6Y total: email,note",
            "erases/others/two/two after P6Y while P8Y street: note,phone"
        ]
    );
}

/// Without its clock a keep never ends. The agent refuses to change a clock of any keep that it is told of (`ColumnIsClock`).
#[test]
fn a_keep_whose_clock_another_lets_go_is_told_with_the_part() {
    let one = columns("one", "P8Y", &["total"], &["email", "paid"]);
    let mut two = columns("two", "P6Y", &["iban"], &["note"]);
    let all = |two: &Value| parts(&erase("invoices", "P3Y"), &[one.clone(), two.clone()]);
    let apart = "erases/others/two/two while P6Y iban: note";
    assert_eq!(
        all(&two),
        ["erases/others/one/one while P8Y total: email,paid", apart]
    );
    two["dataset"]["clock"] = json!("paid");
    assert_eq!(
        all(&two),
        [
            "erases/others/one/one while P8Y total after P6Y: email,paid",
            apart
        ]
    );
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// A keep of whole rows, or of columns that it lets none of go.
fn any_keep(name: &'static str) -> impl Strategy<Value = Value> {
    let periods = vec!["P1Y", "P3Y", "P3Y1D", "P36M", "P5Y", "P8Y", "P2900D"];
    let columns = prop::collection::vec(0_u8..3, 4);
    let froms = vec!["EventDate", "EndOfCalendarYear", "EndOfFiscalYear"];
    let clocks = vec!["at", "at", "paid"];
    let sample = prop::sample::select;
    (
        sample(periods),
        sample(froms),
        sample(clocks),
        columns,
        0..4,
    )
        .prop_map(move |(period, from, clock, places, what)| {
            let of = |wanted: u8| -> Vec<&str> {
                let named = NAMES.into_iter().zip(&places);
                named
                    .filter(|(_, place)| **place == wanted)
                    .map(|(name, _)| name)
                    .collect()
            };
            let (kept, others) = (of(1), of(2));
            let mut rule = keep(name, "orders", "invoices", period);
            rule["dataset"]["clock"] = json!(clock);
            rule["keep"]["from"] = json!(from);
            if what > 0 && !kept.is_empty() && !others.is_empty() {
                let others: Vec<Value> = others.iter().map(|name| json!({"name": name})).collect();
                json_patch(
                    &mut rule["keep"],
                    &json!({"columns": kept, "others": others}),
                );
            }
            rule
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Row by row: nothing of it goes inside a keep that keeps it or its whole row; the row and its parts, and two parts that change
    /// one column, never want it at once; and what no law keeps and one lets go does go.
    #[test]
    fn no_part_takes_what_any_law_keeps_and_what_none_keeps_goes(
        after in prop::sample::select(vec!["P90D", "P1Y", "P3Y", "P5Y"]), from in prop::sample::select(vec!["EventDate", "EndOfCalendarYear"]),
        laws in (any_keep("one"), any_keep("two"), any_keep("three")), days in (0_i64..5000, -400_i64..400, 0_i64..5000),
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Pacific/Apia"]),
    ) {
        let mut own = erase("invoices", after);
        own["erase"]["from"] = json!(from);
        let laws = [laws.0, laws.1, laws.2];
        let mut policies = vec![policy("own", &json!([own]))];
        policies.extend(laws.iter().map(|rule| policy(rule["name"].as_str().unwrap(), &json!([rule]))));
        let (facts, region) = (facts(&policies), region());
        let zone = TimeZone::get(zone).unwrap();
        let at = jiff::civil::date(2008, 2, 28) + days.0.days();
        let paid = at + days.1.days();
        let now = (at + days.2.days()).at(12, 0, 0, 0).to_zoned(zone.clone()).unwrap().timestamp();
        let rulings = rulings(&facts, &region, now);
        let ruling = &rulings[0];
        let day = |clock: &str| if clock == "at" { at } else { paid };
        let own_over = is_over(ruling.anchor, after, at, &zone, now);
        let is_ended = |keep: &RetentionKeep| is_kept_over(keep.from, &keep.period, day(&keep.clock), &zone, now);
        let is_due = |keeps: &[RetentionKeep]| own_over && keeps.iter().all(|keep| is_ended(keep) != keep.lasts);
        // By hand: each law as it was written, and whether it keeps this row now.
        let anchor = |rule: &Value| super::anchor(
            serde_json::from_value(rule["keep"]["from"].clone()).unwrap(), &facts.policy.spec,
        );
        let lasting: Vec<&Value> = laws.iter().filter(|rule| {
            let (period, clock) = (rule["keep"]["for"].as_str().unwrap(), rule["dataset"]["clock"].as_str().unwrap());
            !is_kept_over(anchor(rule), period, day(clock), &zone, now)
        }).collect();
        let list = |rule: &Value, field: &str| -> Vec<String> {
            let all = rule["keep"][field].as_array().into_iter().flatten();
            all.map(|it| it.as_str().or(it["name"].as_str()).unwrap().to_owned()).collect()
        };
        let due: Vec<_> = ruling.parts().filter(|part| is_due(&ruling.keeps_of(part))).collect();
        let whole_due = is_due(&ruling.keeps());
        prop_assert_eq!(whole_due, own_over && lasting.is_empty());
        let mut taken: Vec<&str> = due.iter().flat_map(|part| &part.columns).map(|column| column.name.as_str()).collect();
        for rule in &lasting {
            let kept = list(rule, "columns");
            prop_assert!(due.is_empty() || !kept.is_empty(), "inside a law of whole rows: {due:?}");
            prop_assert!(!taken.iter().any(|name| kept.iter().any(|kept| kept == name)), "{due:?} inside {rule}");
        }
        prop_assert!(!whole_due || due.is_empty(), "{due:?}");
        let all = taken.len();
        taken.sort_unstable();
        taken.dedup();
        prop_assert_eq!(all, taken.len(), "{:?}", due);
        // A law that lets columns go, and no other that lasts has a word about these.
        for rule in lasting.iter().filter(|_| own_over) {
            let others = list(rule, "others");
            let is_free = !others.is_empty() && lasting.iter().filter(|other| !std::ptr::eq(**other, *rule)).all(|other| {
                let said = [list(other, "columns"), list(other, "others")].concat();
                !list(other, "columns").is_empty() && !others.iter().any(|name| said.contains(name))
            });
            if is_free {
                prop_assert!(others.iter().all(|name| taken.contains(&name.as_str())), "{others:?} of {rule}: {due:?}");
            }
        }
    }
}

/// The agent is told of the part with the rule's own clock, contacts and notice, behind the rule.
#[test]
fn a_part_has_all_that_the_rule_s_own_period_is_counted_by() {
    let mut own = erase("invoices", "P3Y");
    own["erase"]["lastContact"] =
        json!({"tables": [{"table": "letters", "clock": "at"}], "atLeast": "P2Y"});
    own["erase"]["notice"] = json!({"column": "told_at", "hours": 48});
    own["keep"] = json!({"for": "P8Y", "reference": "AO 147(3)", "columns": ["total"], "others": [{"name": "email"}]});
    let facts = facts(&[policy("own", &json!([own]))]);
    let region = region();
    let rulings = rulings(&facts, &region, now());
    let store = &region.spec.data_stores[0];
    let [whole, part]: [RetentionRule; 2] = crate::plan::retention::with_parts(&rulings[0], store)
        .try_into()
        .unwrap();
    assert_eq!(
        (part.name.as_str(), crate::contract::rule_of(&part.name)),
        ("erases/others", "erases")
    );
    let of = |rule: &RetentionRule| {
        (
            rule.clock.clone(),
            rule.after.clone(),
            rule.from,
            rule.last_contact.clone(),
            rule.notice.clone(),
        )
    };
    assert_eq!(of(&part), of(&whole));
    assert!(part.notice.is_some() && part.last_contact.is_some());
}
