//! What is so of all policies together.

use super::*;

pub(super) fn any_rule(name: &'static str) -> impl Strategy<Value = Value> {
    let period = prop::sample::select(vec![
        "P1D", "P28D", "P1M", "P90D", "P1Y", "P11M29D", "P3Y", "P8Y", "P8Y1D",
    ]);
    let from = prop::sample::select(vec!["EventDate", "EndOfCalendarYear", "EndOfFiscalYear"]);
    let table = prop::sample::select(vec!["invoices", "shop.invoices", "messages"]);
    let clock = prop::sample::select(vec!["at", "at", "paid"]);
    let records = prop::sample::subsequence(
        vec!["invoice", "accountingBook", "businessLetter", "contract"],
        0..=2,
    );
    (period.clone(), from.clone(), period, from, table, (clock, records), 0..3).prop_map(
        move |(after, from, length, kept_from, table, (clock, records), what)| {
            let mut rule = json!({"name": name, "dataset": {"store": "orders", "table": table, "clock": clock, "records": records}});
            if what != 1 {
                rule["erase"] = json!({"after": after, "from": from, "method": "Delete"});
            }
            if what != 0 {
                rule["keep"] = json!({"for": length, "from": kept_from, "reference": format!("law of {name}")});
            }
            rule
        },
    )
}

fn any_laws() -> impl Strategy<Value = Vec<&'static str>> {
    prop::sample::subsequence(vec!["de-tax", "eu-gdpr", "fr-commerce", "kr-pipa"], 1..=4)
}

/// What the packs' laws keep of a rule's table in a German region, by hand: the law, the period, and on which day that is over of a
/// row of a day.
fn by_law(
    rule: &Value,
    laws: &[&str],
    day: jiff::civil::Date,
) -> Vec<(&'static str, &'static str, jiff::civil::Date)> {
    let next = |month: i8, date: i8| {
        let this = jiff::civil::date(day.year(), month, date);
        if day < this {
            this
        } else {
            jiff::civil::date(day.year() + 1, month, date)
        }
    };
    let (calendar, fiscal) = (next(1, 1), next(10, 1));
    let all = [
        ("de-tax", "accountingBook", "P10Y", calendar + 10.years()),
        ("de-tax", "businessLetter", "P6Y", calendar + 6.years()),
        ("de-tax", "invoice", "P8Y", calendar + 8.years()),
        ("fr-commerce", "accountingBook", "P10Y", fiscal + 10.years()),
        ("fr-commerce", "invoice", "P10Y", fiscal + 10.years()),
        ("kr-pipa", "contract", "P5Y", day + 5.years() + 1.day()),
    ];
    let said = |kind: &str| {
        rule["dataset"]["records"]
            .as_array()
            .unwrap()
            .iter()
            .any(|own| own == kind)
    };
    let counts =
        |law: &&str| laws.contains(law) && (*law != "kr-pipa" || !laws.contains(&"eu-gdpr"));
    let counting = all
        .into_iter()
        .filter(|(law, kind, ..)| counts(law) && said(kind));
    counting
        .map(|(law, _, period, over)| (law, period, over))
        .collect()
}

/// Whether a rule says of its table what none of these laws knows.
fn is_unread(rule: &Value, laws: &[&str]) -> bool {
    let known = |kind: &str| match kind {
        "invoice" | "accountingBook" => laws.contains(&"de-tax") || laws.contains(&"fr-commerce"),
        "businessLetter" => laws.contains(&"de-tax"),
        _ => laws.contains(&"kr-pipa"),
    };
    let mut said = rule["dataset"]["records"].as_array().unwrap().iter();
    said.any(|kind| !known(kind.as_str().unwrap()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_depends_on_the_order_of_policies_or_rules(
        own in any_rule("a"), more in any_rule("b"), one in any_rule("c"), two in any_rule("d"), three in any_rule("e"),
        laws in any_laws(),
    ) {
        let back = |rule: &Value| {
            let mut rule = rule.clone();
            rule["dataset"]["records"].as_array_mut().unwrap().reverse();
            rule
        };
        let sal: Vec<&str> = laws.iter().rev().copied().collect();
        let all = [
            policy("own", &json!([own, more])), under(&laws, policy("tax", &json!([one, two]))), under(&laws, policy("zoll", &json!([three]))),
        ];
        let turned = [
            policy("own", &json!([own, more])), under(&sal, policy("zoll", &json!([back(&three)]))), under(&sal, policy("tax", &json!([back(&two), back(&one)]))),
        ];
        let tell = |policies: &[Value]| {
            let (facts, region) = (facts(policies), region());
            let rulings = rulings(&facts, &region, now());
            let told: Vec<_> = rulings.iter().map(|ruling| (ruling.keeps(), ruling.told())).collect();
            (format!("{told:?}"), crate::plan::retention::bound_hash(&facts.policy, &rulings))
        };
        prop_assert_eq!(tell(&all), tell(&turned));
    }

    /// What the agent is told is what each law says, row by row: a row that any law still keeps is not due, one that is
    /// due is kept by none, and each keep has its ground.
    #[test]
    fn nothing_goes_inside_a_keep_and_nothing_is_kept_without_a_ground(
        own in any_rule("a"), one in any_rule("c"), two in any_rule("d"), day in 0_i64..5000, later in 0_i64..5000,
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Pacific/Apia"]), laws in prop::collection::vec(any_laws(), 3),
    ) {
        let with = |name: &str, rule: &Value, place: usize| under(&laws[place], policy(name, &json!([rule])));
        let policies = [with("own", &own, 0), with("tax", &one, 1), with("zoll", &two, 2)];
        let (facts, region) = (facts(&policies), region());
        let zone = TimeZone::get(zone).unwrap();
        let clock = jiff::civil::date(2008, 2, 28) + day.days();
        let now = (clock + later.days()).at(12, 0, 0, 0).to_zoned(zone.clone()).unwrap().timestamp();
        let is_over = |anchor, period: &str| is_over(anchor, period, clock, &zone, now);
        let is_kept_over = |anchor, period: &str| is_kept_over(anchor, period, clock, &zone, now);
        for ruling in rulings(&facts, &region, now) {
            let rule = ruling.rule();
            let keeps = ruling.keeps();
            prop_assert!(keeps.iter().all(|keep| !keep.reference.trim().is_empty()));
            // By hand: every rule of every policy that keeps a table that may be this one.
            let same = [("own", &own, &laws[0]), ("tax", &one, &laws[1]), ("zoll", &two, &laws[2])].into_iter().filter(|(_, other, _)| {
                let table = other["dataset"]["table"].as_str().unwrap();
                let mine = rule.dataset.table.as_str();
                table == mine || table.ends_with(&format!(".{mine}")) || mine.ends_with(&format!(".{table}"))
            });
            let (mut wanted, mut free) = (Vec::new(), Vec::new());
            for (policy, other, laws) in same {
                let stated = other["keep"]["for"].as_str();
                wanted.extend(stated.map(|period| (policy.to_owned(), period.to_owned())));
                if is_unread(other, laws) {
                    wanted.push((policy.to_owned(), "P999Y".to_owned()));
                    free.push(jiff::civil::Date::MAX);
                }
                for (_, period, over) in by_law(other, laws, clock) {
                    wanted.push((policy.to_owned(), period.to_owned()));
                    free.push(over);
                }
            }
            let told_keeps = keeps.iter().map(|keep| (keep.policy.clone(), keep.period.clone()));
            prop_assert_eq!(told_keeps.collect::<Vec<_>>(), wanted);
            // Inside a law's time no row is free, whatever the calendar of its region.
            let today = now.to_zoned(zone.clone()).date();
            if free.iter().any(|over| today < *over) {
                prop_assert!(!keeps.iter().all(|keep| is_kept_over(keep.from, &keep.period)), "{today}: {keeps:?}");
            }
            // All clocks of the row say the same day here: who decides must be right for it.
            let Some(told) = ruling.told() else { continue };
            let own_over = is_over(ruling.anchor, after(ruling.erase()));
            let all_over = keeps.iter().all(|keep| is_kept_over(keep.from, &keep.period));
            match told.decides {
                Decides::Erase => prop_assert!(!own_over || all_over, "{}", told.message),
                Decides::Keep => {
                    // A law may keep two kinds of records for two periods.
                    let first = &told.keeps[0];
                    let is_first = |keep: &&RetentionKeep| keep.reference == first.reference && keep.period == first.period;
                    let law = keeps.iter().find(is_first).unwrap();
                    prop_assert!(!is_kept_over(law.from, &law.period) || all_over && own_over, "{}", told.message);
                }
                Decides::LatestOfAll => {}
                // Whoever goes first has gone by then, and no keep was in the way.
                Decides::OtherErase => {
                    let first = &told.also_erases[0];
                    let end = super::anchor(Some(first.from), &facts.policy.spec);
                    prop_assert!(!own_over || is_over(end, &first.after), "{}", told.message);
                    prop_assert!(!own_over || all_over, "{}", told.message);
                }
            }
        }
    }

    /// Each of two policies is told of the other, and never do both give way.
    #[test]
    fn of_two_policies_that_erase_at_most_one_gives_way(
        one in any_rule("a"), two in any_rule("b"), modes in prop::array::uniform2(prop::sample::select(vec!["Enforce", "DryRun"])),
        methods in prop::array::uniform2(prop::sample::select(vec!["Delete", "Delete", "Restrict", "Nullify"])), contact in any::<bool>(),
    ) {
        let with = |place: usize, rule: &Value| {
            let mut rule = rule.clone();
            if rule.get("erase").is_some() {
                rule["erase"]["method"] = json!(methods[place]);
                if place == 0 && contact {
                    rule["erase"]["lastContact"] = json!({"tables": [{"table": "letters", "clock": "at"}]});
                }
            }
            let mut policy = policy(["own", "zoll"][place], &json!([rule]));
            policy["spec"]["mode"] = json!(modes[place]);
            policy
        };
        let (first, second) = (with(0, &one), with(1, &two));
        let region = region();
        let tell = |policies: [&Value; 2]| {
            let facts = facts(&policies.map(Clone::clone));
            let rulings = rulings(&facts, &region, now());
            rulings.first().and_then(Ruling::told)
        };
        let told = [tell([&first, &second]), tell([&second, &first])];
        let erases = |rule: &Value, place: usize| rule.get("erase").is_some() && methods[place] != "Restrict";
        let table = |rule: &Value| rule["dataset"]["table"].as_str().unwrap().replace("shop.", "");
        let is_same = table(&one) == table(&two);
        for (place, (own, other)) in [(&one, &two), (&two, &one)].into_iter().enumerate() {
            let wanted = is_same && own.get("erase").is_some() && erases(other, 1 - place);
            let named = told[place].iter().flat_map(|told| &told.also_erases);
            prop_assert_eq!(named.count(), usize::from(wanted), "{:?}", told[place]);
        }
        let gives_way = told.iter().enumerate().filter(|(place, told)| {
            let loses = told.as_ref().is_some_and(|told| told.decides == Decides::OtherErase);
            // Who only counts, or leaves the rows, takes none before anybody.
            assert!(!loses || modes[1 - place] == "Enforce" && methods[1 - place] == "Delete", "{told:?}");
            loses
        });
        prop_assert!(gives_way.count() < 2, "{told:?}");
    }
}
