//! Scopes with a category or a subject: which tables and columns they mean by what rules say.

use super::*;

/// A policy for one region, with the categories of its tables.
pub(super) fn policy(
    region: &str,
    tables: &[(&str, &str, &str)],
) -> BTreeMap<String, Arc<DataPolicy>> {
    let rule = |(store, table, category): &(&str, &str, &str)| {
        json!({"name": table.replace(['.', '_'], "-"), "category": category, "dataset": {"store": store, "table": table, "clock": "at"},
            "erase": {"after": "P1Y", "method": "Delete"}})
    };
    let policy = json!({"metadata": {"name": "shop"}, "spec": {
        "regimes": ["eu-gdpr"], "selector": {"regions": [region]}, "retention": {"schedule": "0 2 * * *"},
        "rules": tables.iter().map(rule).collect::<Vec<_>>(),
    }});
    let policy = serde_json::from_value(policy).unwrap();
    [("shop".to_owned(), Arc::new(policy))].into()
}

/// What a hold by a category means in the region `eu`, as store and table.
fn meant(
    category: &Value,
    policies: BTreeMap<String, Arc<DataPolicy>>,
) -> (Vec<(String, Option<String>)>, Plan<HoldWorkloads>) {
    let mut facts = facts(hold("h", &[], json!({"scopes": [category]})));
    facts.policies = policies;
    let plan = legal_hold(&facts, NOW.parse().unwrap());
    let workloads = plan.regions["eu"].workloads();
    let task = workloads.map(|it| it.config_map.data.as_ref().unwrap()["task.json"].clone());
    let task = task.map(|text| serde_json::from_str::<crate::contract::Task<Hold>>(&text).unwrap());
    let stores = task.into_iter().flat_map(|task| task.spec.stores);
    let tables = stores.flat_map(|it| {
        let store = it.store;
        let scopes = it.scopes.into_iter();
        scopes.map(move |scope| (store.clone(), scope.table))
    });
    (tables.collect(), plan)
}

#[test]
fn a_category_means_the_tables_that_rules_for_the_region_say_have_it() {
    let tables = [
        ("orders", "customers", "user.contact"),
        ("orders", "shop.letters", "user.contact.email"),
        ("chats", "chats", "user.contact"),
        ("orders", "orders", "user.financial"),
        ("nowhere", "people", "user.contact"),
    ];
    let of = |told: &[(&str, &str)]| -> Vec<(String, Option<String>)> {
        let told = told.iter();
        told.map(|(store, table)| ((*store).to_owned(), Some((*table).to_owned())))
            .collect()
    };
    let contact = json!({"name": "c", "category": "user.contact"});
    let (all, plan) = meant(&contact, policy("eu", &tables));
    let wanted = [
        ("chats", "chats"),
        ("orders", "customers"),
        ("orders", "shop.letters"),
    ];
    assert_eq!(all, of(&wanted));
    assert_eq!(plan.notes["eu"].held_tables.len(), 3);
    assert!(plan.findings.is_empty(), "{:?}", plan.findings);
    let one = json!({"name": "c", "category": "user.contact", "store": "chats"});
    assert_eq!(meant(&one, policy("eu", &tables)).0, of(&wanted[..1]));
    // Nobody says so, or only where the hold is not.
    for (scope, policies) in [
        (contact.clone(), BTreeMap::new()),
        (contact, policy("us", &tables)),
        (
            json!({"name": "c", "category": "user.health"}),
            policy("eu", &tables),
        ),
    ] {
        let (none, plan) = meant(&scope, policies);
        assert!(none.is_empty());
        assert_eq!(word(&plan, "eu").as_deref(), Some("NothingOfCategory"));
        assert_eq!(plan.findings.len(), 1);
    }
}

/// A policy whose rules say whose rows are, by column and kind of value.
fn mapped(tables: &[(&str, &str, Value)]) -> BTreeMap<String, Arc<DataPolicy>> {
    let mut policies = policy(
        "eu",
        &tables
            .iter()
            .map(|(store, table, _)| (*store, *table, "user"))
            .collect::<Vec<_>>(),
    );
    let shop = Arc::make_mut(policies.get_mut("shop").unwrap());
    for (rule, (.., subjects)) in shop.spec.rules.iter_mut().zip(tables) {
        rule.dataset.subjects = serde_json::from_value(subjects.clone()).unwrap();
    }
    policies
}

/// A person is held wherever a rule says whose rows are by that kind of value, with the values of the scope's own Secret.
#[test]
fn a_subject_means_the_columns_that_rules_for_the_region_say_have_it() {
    let by = |column: &str, identity: &str| json!({"column": column, "identity": identity});
    let tables = [
        (
            "orders",
            "customers",
            json!([by("id", "customerId"), by("mail", "email")]),
        ),
        ("chats", "shop.chats", json!([by("customer", "customerId")])),
        ("orders", "letters", json!([by("address", "email")])),
        ("nowhere", "people", json!([by("id", "customerId")])),
    ];
    let who = json!({"identity": "customerId", "valuesSecretRef": {"name": "who", "key": "ids"}});
    let scope = json!({"name": "s", "subject": who});
    let mut facts = facts(hold("h", &[], json!({"scopes": [scope]})));
    facts.policies = mapped(&tables);
    let plan = legal_hold(&facts, NOW.parse().unwrap());
    assert!(plan.findings.is_empty(), "{:?}", plan.findings);
    let told = plan.notes["eu"].held_tables.iter();
    let told: Vec<_> = told
        .map(|it| (it.store.as_str(), it.table.as_str(), it.column.as_deref()))
        .collect();
    let wanted = [
        ("chats", "shop.chats", Some("customer")),
        ("orders", "customers", Some("id")),
    ];
    assert_eq!(told, wanted);
    let workloads = plan.regions["eu"].workloads().unwrap();
    let task = &workloads.config_map.data.as_ref().unwrap()["task.json"];
    let task: crate::contract::Task<Hold> = serde_json::from_str(task).unwrap();
    let scopes = task.spec.stores.iter().flat_map(|store| &store.scopes);
    for scope in scopes {
        let values = scope.values.as_ref().unwrap();
        assert!(
            scope.column.is_some() && values.ends_with("ids"),
            "{scope:?}"
        );
    }
    // Whoever erases must find both columns held.
    let said = Said {
        policies: &facts.policies,
        channels: &[],
    };
    let holds = [("h".to_owned(), facts.hold.clone())].into();
    let stores = BTreeSet::from(["orders", "chats"]);
    let required = required(("fleet", &holds), said, &region("eu").region, &stores);
    let columns = required.iter().flat_map(|it| &it.scopes);
    let columns: Vec<_> = columns.map(|it| it.column.as_deref().unwrap()).collect();
    assert_eq!(columns, ["customer", "id"]);
    // Nobody says so.
    facts.policies = mapped(&tables[2..3]);
    let plan = legal_hold(&facts, NOW.parse().unwrap());
    assert_eq!(word(&plan, "eu").as_deref(), Some("NothingOfSubject"));
}

/// Requests find a person whatever the case of the letters of such a kind: so does the hold, and whoever erases asks for no less.
#[test]
fn a_subject_of_a_kind_that_ignores_case_is_held_so() {
    let by = |column: &str, identity: &str| json!({"column": column, "identity": identity});
    let subjects = json!([by("id", "customerId"), by("mail", "email")]);
    let scope = |identity: &str| {
        let values = json!({"name": "who", "key": "ids"});
        json!({"name": identity.to_lowercase(), "subject": {"identity": identity, "valuesSecretRef": values}})
    };
    let scopes = json!({"scopes": [scope("email"), scope("customerId")]});
    let mut facts = facts(hold("h", &[], scopes));
    facts.policies = mapped(&[("orders", "customers", subjects)]);
    let eu = facts.regions.get_mut("eu").unwrap();
    let requests = json!({"identities": [{"name": "email", "ignoreCase": true}, {"name": "customerId"}],
        "suppression": {"secretRef": {"name": "suppression", "key": "url"}}});
    Arc::make_mut(&mut eu.region).spec.requests = serde_json::from_value(requests).unwrap();
    let eu = eu.region.clone();
    let plan = legal_hold(&facts, NOW.parse().unwrap());
    let workloads = plan.regions["eu"].workloads().unwrap();
    let task = &workloads.config_map.data.as_ref().unwrap()["task.json"];
    let task: crate::contract::Task<Hold> = serde_json::from_str(task).unwrap();
    let wanted = [("mail".to_owned(), true), ("id".to_owned(), false)];
    let scopes = task.spec.stores.into_iter().flat_map(|it| it.scopes);
    let held: Vec<_> = scopes
        .map(|it| (it.column.unwrap(), it.ignore_case))
        .collect();
    assert_eq!(held, wanted);
    let said = Said {
        policies: &facts.policies,
        channels: &[],
    };
    let holds = [("h".to_owned(), facts.hold.clone())].into();
    let required = required(("fleet", &holds), said, &eu, &BTreeSet::from(["orders"]));
    let scopes = required.into_iter().flat_map(|it| it.scopes);
    let asked: Vec<_> = scopes
        .map(|it| (it.column.unwrap(), it.ignore_case))
        .collect();
    assert_eq!(asked, wanted);
}

/// The region's key is given to the pod of a hold some values of which are encrypted to it, where there is one, and to no other.
#[test]
fn a_hold_of_encrypted_values_is_given_the_regions_key() {
    let requests = json!({"identities": [{"name": "customerId"}],
        "suppression": {"secretRef": {"name": "suppression", "key": "url"}}});
    for (key, requests, release, wanted) in [
        ("ids.age", requests.clone(), Value::Null, true),
        ("ids.age", Value::Null, Value::Null, false),
        ("ids", requests.clone(), Value::Null, false),
        ("ids.age", requests, released(), false),
    ] {
        let scope = json!({"name": "s", "store": "orders", "table": "public.orders", "column": "customer",
            "valuesSecretRef": {"name": "who", "key": key}});
        let mut facts = facts(hold(
            "h",
            &[],
            json!({"scopes": [scope], "release": release}),
        ));
        let eu = facts.regions.get_mut("eu").unwrap();
        Arc::make_mut(&mut eu.region).spec.requests = serde_json::from_value(requests).unwrap();
        let plan = legal_hold(&facts, NOW.parse().unwrap());
        let workloads = plan.regions["eu"].workloads().unwrap();
        let task = &workloads.config_map.data.as_ref().unwrap()["task.json"];
        let task: crate::contract::Task<Hold> = serde_json::from_str(task).unwrap();
        assert_eq!(task.spec.key.is_some(), wanted, "{key}");
        let job = serde_json::to_string(&workloads.job).unwrap();
        assert_eq!(job.contains("tradewind-requests"), wanted, "{job}");
        assert_eq!(job.contains("identity.key"), wanted, "{job}");
        assert!(!job.contains("suppression.key"), "{job}");
    }
}

/// Where nothing of the category ever was, nothing is left to release; what a database holds is not passed over.
#[test]
fn a_region_with_nothing_to_hold_is_released_at_once() {
    let scopes = json!([{"name": "c", "category": "user.contact"}]);
    let gone = told("eu", None, &json!([in_force("gone")]));
    let nothing = json!({"scopes": scopes, "release": released()});
    let plan = planned(hold("h", &[], nothing.clone()));
    assert_eq!(word(&plan, "eu").as_deref(), Some("Released"));
    let mut held = nothing;
    held["status"] = gone;
    let plan = planned(hold("h", &[], held));
    assert_eq!(word(&plan, "eu").as_deref(), Some("NothingOfCategory"));
}
