//! Keeps of some columns, in every field.

use serde_json::{Value, json};

use crate::case::{Case, PATTERN, list, ruled, text};

const COLUMNS: &str = "keep.columns: name what the law keeps of a row";
const OTHERS: &str = "keep.others: say what goes of a row";
const BOTH: &str = "keep.others[].name: a column that keep.columns keeps cannot go";
const SUBJECTS: &str = "keep.columns: name the columns of dataset.subjects too";
const VALUE: &str = "columns[].value: set: Constant needs it";
const LENGTH: &str = "columns[].length: set: Truncate needs it";
const GENERALISE: &str = "columns[].to, columns[].step: set: Generalise needs one of them";

fn kept(i: usize) -> Value {
    json!(format!("kept_{i}"))
}

fn other(i: usize) -> Value {
    json!({"name": format!("other_{i}"), "set": "Constant", "value": "x"})
}

fn keep(columns: &Value, others: &Value) -> Value {
    json!({"for": "P8Y", "reference": "AO 147(3)", "columns": columns, "others": others})
}

fn keeping(columns: &Value, others: &Value) -> Value {
    json!({
        "name": "invoices", "dataset": {"store": "orders", "table": "invoices", "clock": "issued_on"},
        "keep": keep(columns, others), "erase": {"after": "P8Y", "method": "Delete"},
    })
}

/// Rules that together have every field: a column has the parameters of one `set` only.
pub(crate) fn rules() -> Vec<Value> {
    let others = [
        other(0),
        json!({"name": "mail", "set": "Truncate", "length": 3}),
        json!({"name": "born", "set": "Generalise", "to": "Year"}),
        json!({"name": "age", "set": "Generalise", "step": 10}),
    ];
    let rules = others.iter();
    rules
        .map(|other| keeping(&json!([kept(0)]), &json!([other])))
        .collect()
}

/// Rules that are refused.
pub(crate) fn refused() -> Vec<(Value, &'static str)> {
    let mut whose = keeping(&json!(["total"]), &json!([{"name": "mail"}]));
    whose["dataset"]["subjects"] = json!([{"column": "customer", "identity": "customerId"}]);
    let mut all = keeping(&json!(["total", "mail"]), &json!([]));
    all["erase"] = json!({"after": "P8Y", "method": "Nullify", "columns": [{"name": "mail"}]});
    vec![
        (whose, SUBJECTS),
        (keeping(&json!(["total"]), &json!([])), OTHERS),
        (all, OTHERS),
    ]
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        ruled(
            "rules[].keep",
            vec![
                (keep(&json!([]), &json!([{"name": "a"}])), COLUMNS),
                (keep(&json!(["a"]), &json!([{"name": "a"}])), BOTH),
            ],
        ),
        list("rules[].keep.columns", kept).kept(COLUMNS),
        text(
            "rules[].keep.columns[]",
            "total",
            "c".repeat(63),
            &[("the total", PATTERN), ("a.b", PATTERN)],
        ),
        list("rules[].keep.others", other).kept(OTHERS),
        ruled(
            "rules[].keep.others[]",
            vec![
                (json!({"name": "a", "set": "Null", "value": ""}), VALUE),
                (json!({"name": "kept_0"}), BOTH),
            ],
        ),
        text(
            "rules[].keep.others[].name",
            "mail",
            "m".repeat(63),
            &[("e mail", PATTERN), ("lower(mail)", PATTERN)],
        ),
        ruled(
            "rules[].keep.others[].set",
            vec![
                (json!("Null"), VALUE),
                (json!("Truncate"), LENGTH),
                (json!("Generalise"), GENERALISE),
            ],
        )
        .kept(VALUE),
        text("rules[].keep.others[].value", "", "'; --".repeat(51), &[]).kept(VALUE),
        ruled("rules[].keep.others[].length", vec![]).kept(LENGTH),
        ruled("rules[].keep.others[].to", vec![]).kept(GENERALISE),
        ruled("rules[].keep.others[].step", vec![]).kept(GENERALISE),
    ]
}
