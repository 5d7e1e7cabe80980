//! Walks every field of a kind's spec through the API server.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::JSONSchemaProps;
use serde_json::{Value, json};

use crate::case::{Case, Form, Kind};
use crate::schema::{self, Field};
use crate::server::{Refusal, Server};

const NAME: &str = "walked";

/// One field at its place in one object.
struct Step<'a> {
    server: &'a Server,
    kind: &'a Kind,
    field: &'a Field,
    case: Option<&'a Case>,
    spec: &'a Value,
    pointer: String,
    faults: &'a mut Vec<String>,
}

/// Walks them all; every fault is collected, so that one run shows all.
pub(crate) async fn walk(server: &Server, kind: &Kind, faults: &mut Vec<String>) -> usize {
    let fields = schema::fields(&server.crd(kind).await, "spec");
    for case in &kind.cases {
        if !fields.iter().any(|field| field.path == case.path) {
            faults.push(format!("{}.{}: a case for no field", kind.name, case.path));
        }
    }
    names(server, kind, faults).await;
    for (place, spec) in kind.specs.iter().enumerate() {
        let made = server.apply(kind, &format!("{NAME}-{place}"), spec).await;
        assert_eq!(
            made.as_ref(),
            Ok(spec),
            "{}: the whole spec {place}",
            kind.name
        );
    }
    for field in &fields {
        let found = kind
            .specs
            .iter()
            .enumerate()
            .find_map(|(place, spec)| Some((place, spec, schema::pointer(&field.path, spec)?)));
        let Some((place, spec, pointer)) = found else {
            faults.push(format!(
                "{}.{}: no spec of the test has it",
                kind.name, field.path
            ));
            continue;
        };
        let mut step = Step {
            server,
            kind,
            field,
            case: kind.cases.iter().find(|case| case.path == field.path),
            spec,
            pointer,
            faults,
        };
        step.walk(&format!("{NAME}-{place}")).await;
    }
    fields.len()
}

/// The least object is legal; names of which no objects in the regions could be made are not.
async fn names(server: &Server, kind: &Kind, faults: &mut Vec<String>) {
    let least = server.apply(kind, "least", &kind.least).await;
    assert_eq!(
        least.as_ref(),
        Ok(&kind.least),
        "{}: the least spec",
        kind.name
    );
    let status = &server.get(kind, "least").await["status"];
    assert_eq!(
        status["observedGeneration"], -1,
        "{}: nothing is observed yet",
        kind.name
    );
    assert!(status["conditions"].is_null(), "{}", kind.name);
    let longest = server
        .could_create(kind, &"a".repeat(40), &kind.least)
        .await;
    assert!(longest.is_ok(), "{}: {longest:?}", kind.name);
    for (name, message) in &kind.names {
        let made = server.could_create(kind, name, &kind.least).await;
        if !made.as_ref().is_err_and(|told| told.contains(message)) {
            faults.push(format!("{}: the name {name}: {made:?}", kind.name));
        }
    }
}

/// Values to try, illegal ones with what must be said of them.
#[derive(Default)]
struct Trials {
    changes: Vec<Value>,
    worst: Vec<Value>,
    illegal: Vec<(Value, &'static str)>,
}

impl Trials {
    fn choice(&mut self, field: &Field, form: Option<&Form>) {
        let refused = match form {
            Some(Form::Ruled(refused)) => refused.clone(),
            _ => Vec::new(),
        };
        let legal = |value: &Value| !refused.iter().any(|(no, _)| no == value);
        self.changes
            .extend(field.choices().into_iter().filter(legal));
        self.illegal.push((json!("Nonsense"), "Unsupported value"));
        self.illegal.extend(refused);
    }

    fn too_long(&mut self, schema: &JSONSchemaProps) {
        let most = usize::try_from(schema.max_length.unwrap_or(0)).unwrap();
        self.illegal.push((json!("a".repeat(most + 1)), "Too long"));
        if schema.min_length.unwrap_or(0) > 0 {
            self.illegal.push((json!(""), "should be at least"));
        }
    }

    fn number(&mut self, schema: &JSONSchemaProps) {
        let (least, most) = (schema.minimum.unwrap(), schema.maximum.unwrap());
        #[allow(clippy::cast_possible_truncation, reason = "bounds of an i32")]
        let (least, most) = (least as i64, most as i64);
        self.changes.push(json!(least + 1));
        self.worst.extend([json!(least), json!(most)]);
        self.illegal
            .push((json!(least - 1), "should be greater than or equal to"));
        self.illegal
            .push((json!(most + 1), "should be less than or equal to"));
    }

    fn list(&mut self, schema: &JSONSchemaProps, item: fn(usize) -> Value) {
        let most = usize::try_from(schema.max_items.unwrap()).unwrap();
        let items = |count| Value::Array((0..count).map(item).collect());
        self.changes.push(items(1.max(most.min(2))));
        self.worst.push(items(most));
        self.illegal.push((items(most + 1), "must have at most"));
        if schema
            .x_kubernetes_list_type
            .as_deref()
            .is_some_and(|merge| merge != "atomic")
        {
            self.illegal
                .push((json!([item(0), item(0)]), "Duplicate value"));
        }
        if schema.min_items.unwrap_or(0) > 0 {
            self.illegal.push((json!([]), "should have at least"));
        }
    }

    fn map(&mut self, schema: &JSONSchemaProps, entry: fn(usize) -> (String, Value)) {
        let most = usize::try_from(schema.max_properties.unwrap()).unwrap();
        let entries = |count| Value::Object((0..count).map(entry).collect());
        self.changes.push(entries(2));
        self.worst.push(entries(most));
        self.illegal.push((entries(most + 1), "must have at most"));
        self.illegal.push((json!({}), "name at least one label"));
        self.illegal
            .push((json!({"k".repeat(318): "v"}), "1 to 317 characters"));
    }
}

impl Step<'_> {
    async fn walk(&mut self, name: &str) {
        let Trials {
            changes,
            worst,
            illegal,
        } = self.values();
        let is_fixed = self.case.is_some_and(|case| case.fixed.is_some());
        let present = self.spec.pointer(&self.pointer);
        // Of a field that cannot be changed, its own value is no change.
        let changes = changes
            .into_iter()
            .filter(|change| !is_fixed || present != Some(change));
        let changes: Vec<Value> = changes.collect();
        for change in changes {
            let changed = schema::with(self.spec, &self.pointer, Some(change));
            let done = self.server.apply(self.kind, name, &changed).await;
            match self.case.and_then(|case| case.fixed) {
                Some(message) => self.refused("change", &done, message),
                None => self.taken("change", &done, &changed),
            }
            let reverted = self.server.apply(self.kind, name, self.spec).await;
            self.taken("revert", &reverted, self.spec);
        }
        for value in worst {
            let spec = schema::with(self.spec, &self.pointer, Some(value));
            let done = self.server.could_create(self.kind, "worst", &spec).await;
            self.taken("worst legal value", &done, &spec);
        }
        for (value, message) in illegal {
            let spec = schema::with(self.spec, &self.pointer, Some(value.clone()));
            let done = self.server.could_create(self.kind, "illegal", &spec).await;
            self.refused(&format!("illegal value {}", short(&value)), &done, message);
        }
        self.unknown_member().await;
        self.remove(name).await;
    }

    /// What to try: by the case where there is one, else by the schema.
    fn values(&mut self) -> Trials {
        let mut trials = Trials::default();
        let wrong_type = if self.field.type_of() == "string" {
            json!(7)
        } else {
            json!("x")
        };
        trials.illegal.push((wrong_type, "must be of type"));
        let schema = &self.field.schema;
        match (self.field.type_of(), self.case.map(|case| &case.form)) {
            ("string", form) if schema.enum_.is_some() => trials.choice(self.field, form),
            (
                "string",
                Some(Form::Text {
                    change,
                    worst,
                    illegal,
                }),
            ) => {
                trials.changes.push(json!(change));
                trials.worst.push(json!(worst));
                trials.illegal.extend(
                    illegal
                        .iter()
                        .map(|(value, message)| (json!(value), *message)),
                );
                trials.too_long(schema);
            }
            ("integer", Some(Form::Ruled(refused))) => {
                trials.number(schema);
                let legal = |value: &Value| !refused.iter().any(|(no, _)| no == value);
                trials.changes.retain(legal);
                trials.changes.extend(trials.worst.clone());
                trials.illegal.extend(refused.iter().cloned());
            }
            ("integer", _) => trials.number(schema),
            ("boolean", _) => trials.changes.extend([json!(false), json!(true)]),
            ("array", Some(Form::List(item))) => trials.list(schema, *item),
            ("object", Some(Form::Map(entry))) => trials.map(schema, *entry),
            ("object", Some(Form::Ruled(refused))) => {
                trials.illegal.extend(refused.iter().cloned());
            }
            ("object", None) if !self.field.is_map() && !self.field.has_rules() => {}
            _ => self.fault("add a case: what is legal, what is not, and how that is told"),
        }
        trials
    }

    /// Strict validation names a member that isn't there: a typing error is no silent loss.
    async fn unknown_member(&mut self) {
        if self.field.type_of() != "object" || self.field.is_map() {
            return;
        }
        let mut value = self.spec.pointer(&self.pointer).unwrap().clone();
        value["bogus"] = json!(1);
        let spec = schema::with(self.spec, &self.pointer, Some(value));
        let done = self.server.could_create(self.kind, "unknown", &spec).await;
        self.refused("an unknown member", &done, "bogus");
    }

    /// Without it, and with null, which the API server takes for nothing. What may not go is refused to a new object
    /// with its reason; an apply that would take the last member away is refused in the words of the merge.
    async fn remove(&mut self, name: &str) {
        if self.field.is_item() {
            return;
        }
        let without = schema::with(self.spec, &self.pointer, None);
        let null = schema::with(self.spec, &self.pointer, Some(Value::Null));
        let kept = self.case.and_then(|case| case.kept);
        let kept = kept.or(self.field.required.then_some("Required value"));
        let stays = self.case.and_then(|case| case.stays.or(case.fixed));
        let applied = self.server.apply(self.kind, name, &without).await;
        match kept {
            Some(_) if applied.is_err() => {}
            Some(_) => self.fault("remove: must be refused"),
            None if stays.is_some() => self.refused("remove", &applied, stays.unwrap_or_default()),
            None => self.taken("remove", &applied, &without),
        }
        for (what, spec) in [("without", &without), ("null", &null)] {
            let done = self.server.could_create(self.kind, "without", spec).await;
            match kept {
                Some(message) => self.refused(what, &done, message),
                None => self.taken(what, &done, &without),
            }
        }
        let back = self.server.apply(self.kind, name, self.spec).await;
        self.taken("set", &back, self.spec);
    }

    fn taken(&mut self, what: &str, done: &Result<Value, Refusal>, wanted: &Value) {
        if done.as_ref() != Ok(wanted) {
            self.fault(&format!(
                "{what}: must be taken as it is: {}",
                outcome(done)
            ));
        }
    }

    fn refused(&mut self, what: &str, done: &Result<Value, Refusal>, message: &str) {
        if !done.as_ref().is_err_and(|told| told.contains(message)) {
            self.fault(&format!(
                "{what}: must be refused with '{message}': {}",
                outcome(done)
            ));
        }
    }

    fn fault(&mut self, what: &str) {
        self.faults
            .push(format!("{}.{}: {what}", self.kind.name, self.field.path));
    }
}

fn outcome(done: &Result<Value, Refusal>) -> String {
    match done {
        Ok(spec) => format!("taken as {}", short(spec)),
        Err(told) => format!("refused: {}", told.chars().take(400).collect::<String>()),
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(200).collect()
}
