//! The task's words, parsed once.
//!
//! In: `contract::Erase`. Out: [`Settings`], whose values cannot be wrong any more. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use jiff::Span;
use jiff::tz::TimeZone;

use super::super::cutoff::Anchor;
use super::super::hold_list::Freshness;
use super::super::method;
use super::super::partial;
use super::super::restrict;
use super::super::settings::{self, Keep, MOST_BATCH_ROWS, Rule, StoreRules};
use crate::contract::{
    Delivery, Erase, IdentityForm, Lookup, Method, Recipient, RequestKind, RetentionKeep,
    RetentionRule, SubjectColumn, SubjectRequest, SubjectStore, SubjectTable,
};

/// Most rows that a task may let one person have in a table.
const MOST_ROWS: u32 = 1_000_000;

/// Why a task is refused. Each names the field and what would be right.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum Error {
    /// What retention says of the same words.
    #[error(transparent)]
    Shared(#[from] settings::Error),
    /// A rule's method is wrong.
    #[error(transparent)]
    Method(#[from] method::Error),
    /// Nobody asked for anything.
    #[error("`request` is missing: without `--reapply` there is one")]
    NoRequest,
    /// A reference that could be anything.
    #[error(
        "`request.reference` must be 1 to 63 letters, digits, `.`, `-` or `_`, and name no person"
    )]
    Reference,
    /// Another request would be ended than one that hides rows.
    #[error(
        "`request.supersedes` is for an Erasure, and is the reference of a Restriction: another one than its own"
    )]
    Supersedes,
    /// Rows would be hidden, and called erased.
    #[error(
        "table `{table}`: method {} is no erasure: choose Delete, Nullify, Anonymise or Shred; to hide the person's rows, ask for a Restriction",
        method.name()
    )]
    NoErasure {
        /// The table.
        table: String,
        /// Its method.
        method: Method,
    },
    /// A copy has no place, or an erasure has one.
    #[error(
        "`request.delivery` is for Access and Portability, which need it, and for nothing else"
    )]
    Delivery,
    /// No time after which a copy is to be removed.
    #[error(
        "`request.delivery.expiresAfter` is `{period}`: write years, months, weeks or days such as `P30D`"
    )]
    Expires {
        /// As it was written.
        period: String,
    },
    /// Nobody could read it.
    #[error("`request.delivery.recipient` is no `age` recipient such as `age1...`")]
    Recipient,
    /// There is nothing to look in.
    #[error("`{field}` is empty: name at least one")]
    Empty {
        /// The field.
        field: &'static str,
    },
    /// Two things have one name.
    #[error("`{field}` has two entries named `{name}`")]
    Twice {
        /// The field.
        field: &'static str,
        /// The name.
        name: String,
    },
    /// A recipient that knows persons by something else, or two of one name.
    #[error(
        "recipient `{name}`: give each its own name, and `identities` that are among the task's"
    )]
    RecipientUnknown {
        /// Its name.
        name: String,
    },
    /// Values of a person would travel where others may read them.
    #[error(
        "recipient `{name}`: `url` begins with no https://, and `identityForm` is Value: give it such a URL, or KeyedHash"
    )]
    RecipientOpen {
        /// Its name.
        name: String,
    },
    /// A copy is nobody else's business.
    #[error("`recipients` are told of an Erasure, a Restriction or an OptOut; a copy has none")]
    RecipientOfCopy,
    /// Events would go, and nothing is to be erased.
    #[error("`events` go with an Erasure; another request takes none")]
    EventsKept,
    /// A column of no kind.
    #[error("`{at}`: `identity` is `{identity}`, which is not among `identities`")]
    NoSuchKind {
        /// The table or lookup.
        at: String,
        /// As it was written.
        identity: String,
    },
    /// Nobody can be found in it.
    #[error("table `{table}`: `subjects` is empty: name the column that tells whose a row is")]
    NoSubject {
        /// The table.
        table: String,
    },
    /// What is newer than an erasure could not be told.
    #[error(
        "table `{table}` of store `{store}`: `--reapply` needs its `clock`, to spare what came after the erasure"
    )]
    NoClock {
        /// The store.
        store: String,
        /// The table.
        table: String,
    },
}

/// The kinds of values, and whether letters A to Z are the same as a to z.
pub(super) type Kinds = BTreeMap<String, bool>;

/// The task, parsed.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The region's zone.
    pub(super) zone: TimeZone,
    /// Most rows in one transaction.
    pub(super) batch_rows: usize,
    /// Most rows of a table that a request may find.
    pub(super) max_rows: i64,
    /// Counts from 1 to below it are not told.
    pub(super) small_counts: u32,
    /// The kinds of values.
    pub(super) kinds: Kinds,
    /// The stores, in the task's order.
    pub(super) stores: Vec<Scope>,
    /// How old the list of holds may be, where something is erased.
    pub(super) hold_list: Option<Freshness>,
}

/// A store, parsed.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    /// Its name.
    pub(super) name: String,
    /// Its tables.
    pub(super) rules: StoreRules,
    /// Where values lead to others.
    pub(super) lookups: Vec<Lookup>,
    /// The tables whose rows the person provided.
    pub(super) portable: Vec<String>,
}

impl Settings {
    /// Parses a task's words.
    pub(super) fn parse(spec: &Erase, reapply: bool) -> Result<Self, Error> {
        let zone = TimeZone::get(&spec.time_zone).map_err(|_| settings::Error::Zone {
            zone: spec.time_zone.clone(),
        })?;
        settings::bounds("batchRows", spec.batch_rows, 1, MOST_BATCH_ROWS)?;
        settings::bounds("maxRows", spec.max_rows, 1, MOST_ROWS)?;
        small_counts(spec)?;
        let mut kinds = Kinds::new();
        for kind in &spec.identities {
            if kinds.insert(kind.name.clone(), kind.ignore_case).is_some() {
                let name = kind.name.clone();
                return Err(Error::Twice {
                    field: "identities",
                    name,
                });
            }
        }
        if spec.stores.is_empty() {
            return Err(Error::Empty { field: "stores" });
        }
        let ask = Ask::of(spec, reapply);
        let hold_list = spec.hold_list.as_ref().map(settings::freshness);
        let hold_list = hold_list.transpose()?.filter(|_| ask.erases);
        let mut stores: Vec<Scope> = Vec::new();
        for store in &spec.stores {
            if stores.iter().any(|other| other.name == store.name) {
                let name = store.name.clone();
                return Err(Error::Twice {
                    field: "stores",
                    name,
                });
            }
            stores.push(scope(store, &ask, &kinds)?);
        }
        Ok(Self {
            zone,
            batch_rows: usize::try_from(spec.batch_rows).unwrap_or(1),
            max_rows: i64::from(spec.max_rows),
            small_counts: spec.small_counts,
            kinds,
            stores,
            hold_list,
        })
    }
}

/// Whether the bound of small counts is one.
pub(super) fn small_counts(spec: &Erase) -> Result<(), Error> {
    Ok(settings::small_counts(spec.small_counts)?)
}

/// The request of a task, if an agent can do it.
pub(super) fn request(spec: &Erase) -> Result<&SubjectRequest, Error> {
    let request = spec.request.as_ref().ok_or(Error::NoRequest)?;
    let reference = &request.reference;
    if !is_reference(reference) {
        return Err(Error::Reference);
    }
    if let Some(before) = &request.supersedes
        && (request.kind != RequestKind::Erasure || !is_reference(before) || before == reference)
    {
        return Err(Error::Supersedes);
    }
    recipients(spec)?;
    if request.kind != RequestKind::Erasure && !spec.events.is_empty() {
        return Err(Error::EventsKept);
    }
    let copies = matches!(request.kind, RequestKind::Access | RequestKind::Portability);
    if copies && !spec.recipients.is_empty() {
        return Err(Error::RecipientOfCopy);
    }
    match (request.kind, &request.delivery) {
        (RequestKind::Erasure | RequestKind::Restriction | RequestKind::OptOut, None) => {
            Ok(request)
        }
        (RequestKind::Access | RequestKind::Portability, Some(delivery)) => {
            expires(delivery)?;
            recipient(delivery)?;
            Ok(request)
        }
        _ => Err(Error::Delivery),
    }
}

fn is_reference(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=63).contains(&text.len()) && text.bytes().all(plain)
}

/// Each recipient has a name of its own, and knows persons by kinds that there are.
fn recipients(spec: &Erase) -> Result<(), Error> {
    for (place, recipient) in spec.recipients.iter().enumerate() {
        let twin = |other: &Recipient| other.name == recipient.name;
        let is_known = |kind: &String| spec.identities.iter().any(|own| own.name == *kind);
        let fits = !recipient.identities.is_empty() && recipient.identities.iter().all(is_known);
        if !fits || spec.recipients.iter().take(place).any(twin) {
            let name = recipient.name.clone();
            return Err(Error::RecipientUnknown { name });
        }
        if recipient.identity_form == IdentityForm::Value && !is_private(&recipient.url) {
            let name = recipient.name.clone();
            return Err(Error::RecipientOpen { name });
        }
    }
    Ok(())
}

/// Whether nobody on the way can read what is sent there: by https, or no further than this machine.
fn is_private(url: &str) -> bool {
    let Ok(url) = url.parse::<reqwest::Url>() else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    url.scheme() == "https" || address.is_ok_and(|address| address.is_loopback())
}

/// After what time a copy is to be removed.
pub(super) fn expires(delivery: &Delivery) -> Result<Span, Error> {
    settings::calendar(&delivery.expires_after).ok_or_else(|| Error::Expires {
        period: delivery.expires_after.clone(),
    })
}

/// Who can read a copy.
pub(super) fn recipient(delivery: &Delivery) -> Result<age::x25519::Recipient, Error> {
    delivery.recipient.parse().map_err(|_| Error::Recipient)
}

/// What the rows of every table are for.
#[derive(Debug)]
struct Ask<'a> {
    zone: &'a str,
    /// Rows are erased again that came back.
    reapply: bool,
    /// What marks the rows, when they are restricted.
    mark: Option<String>,
    /// Whether what is done must be an erasure: a copy asks for no method.
    erases: bool,
}

impl<'a> Ask<'a> {
    fn of(spec: &'a Erase, reapply: bool) -> Self {
        let request = spec.request.as_ref().filter(|_| !reapply);
        let kind = request.map(|request| request.kind);
        let restricted = request.filter(|request| request.kind == RequestKind::Restriction);
        Self {
            zone: &spec.time_zone,
            reapply,
            mark: restricted.map(|request| restrict::by_request(&request.reference)),
            erases: reapply || kind == Some(RequestKind::Erasure),
        }
    }

    /// How the rows of a table go.
    fn method(&self, table: &SubjectTable) -> Result<Method, Error> {
        match table.method {
            method if self.erases && !method.erases() => Err(Error::NoErasure {
                table: table.name.clone(),
                method,
            }),
            _ if self.mark.is_some() => Ok(Method::Restrict),
            // A copy takes nothing, and is of hidden rows too.
            method if !method.erases() => Ok(Method::Delete),
            method => Ok(method),
        }
    }
}

fn scope(store: &SubjectStore, ask: &Ask<'_>, kinds: &Kinds) -> Result<Scope, Error> {
    if store.tables.is_empty() {
        return Err(Error::Empty { field: "tables" });
    }
    let known = |at: &str, column: &SubjectColumn| {
        if kinds.contains_key(&column.identity) {
            return Ok(());
        }
        Err(Error::NoSuchKind {
            at: at.to_owned(),
            identity: column.identity.clone(),
        })
    };
    for lookup in &store.lookups {
        known(&lookup.table, &lookup.by)?;
        known(&lookup.table, &lookup.gives)?;
    }
    let mut rules: Vec<Rule> = Vec::new();
    for table in &store.tables {
        let name = table.name.clone();
        if rules.iter().any(|other| other.name == name) {
            return Err(Error::Twice {
                field: "tables",
                name,
            });
        }
        if table.subjects.is_empty() {
            return Err(Error::NoSubject { table: name });
        }
        if ask.reapply && table.clock.is_none() {
            let store = store.name.clone();
            return Err(Error::NoClock { store, table: name });
        }
        for subject in &table.subjects {
            known(&table.name, subject)?;
        }
        rules.push(rule(store, table, rules.len(), ask)?);
    }
    let portable = store.tables.iter().filter(|table| table.portable);
    Ok(Scope {
        name: store.name.clone(),
        rules: StoreRules {
            url: store.url.clone(),
            rules,
            is_throttled: false,
        },
        lookups: store.lookups.clone(),
        portable: portable.map(|table| table.name.clone()).collect(),
    })
}

/// A table as a rule without a period of its own: a person's rows go at once, but for what keeps them. A law that keeps
/// rows does not keep them from being restricted.
fn rule(
    store: &SubjectStore,
    table: &SubjectTable,
    position: usize,
    ask: &Ask<'_>,
) -> Result<Rule, Error> {
    let method = ask.method(table)?;
    let keeps: Vec<RetentionKeep> = match ask.mark {
        Some(_) => Vec::new(),
        None => table.keeps.clone(),
    };
    let columns = if method == table.method {
        table.columns.clone()
    } else {
        Vec::new()
    };
    let words = RetentionRule {
        name: table.name.clone(),
        store: store.name.clone(),
        url: PathBuf::new(),
        table: table.table.clone(),
        clock: String::new(),
        after: String::new(),
        from: Anchor::EventDate,
        last_contact: None,
        notice: None,
        keeps,
        method,
        columns,
    };
    let mark = ask.mark.as_deref().unwrap_or_default();
    // A copy takes nothing away.
    let zone = ask.erases.then_some(ask.zone);
    let keeps = settings::keeps(&words, zone)?;
    findable(table, &keeps)?;
    Ok(Rule {
        name: table.name.clone(),
        position,
        table: table.table.clone(),
        clock: table.clock.clone().unwrap_or_default(),
        after: Span::new(),
        from: Anchor::EventDate,
        contacts: None,
        notice: None,
        keeps,
        method,
        changes: method::parse(&words, ask.zone, mark)?,
        subjects: table.subjects.clone(),
    })
}

/// A row that stays can be found again by the person's values.
fn findable(table: &SubjectTable, keeps: &[Keep]) -> Result<(), settings::Error> {
    let partial = keeps.iter().filter_map(|keep| keep.partial.as_ref());
    let mut names = partial.flat_map(|partial| &partial.others);
    let tells = |name: &str| table.subjects.iter().any(|subject| subject.column == name);
    match names.find(|other| tells(&other.name)) {
        None => Ok(()),
        Some(lost) => Err(partial::Error::Subject {
            table: table.name.clone(),
            column: lost.name.clone(),
        }
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn task() -> Value {
        json!({
            "timeZone": "Europe/Berlin", "batchRows": 100, "maxRows": 1000,
            "identities": [{"name": "email", "ignoreCase": true}],
            "stores": [{"name": "shop", "url": "/u", "tables": [
                {"name": "customers", "table": "customers", "subjects": [{"column": "email", "identity": "email"}]}]}],
            "suppression": {"url": "/s", "key": "/k"},
            "request": {"reference": "dsr-7", "kind": "Erasure", "identity": "/i", "key": "/a"},
        })
    }

    fn refusal(change: impl FnOnce(&mut Value), reapply: bool) -> String {
        let mut task = task();
        change(&mut task);
        let spec: Erase = serde_json::from_value(task).unwrap();
        let parsed = Settings::parse(&spec, reapply).and_then(|_| request(&spec).map(drop));
        parsed.map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn a_task_is_parsed_and_each_mistake_is_named() {
        assert_eq!(refusal(|_| (), false), "");
        let table = |task: &mut Value, field: &str, value: Value| {
            task["stores"][0]["tables"][0][field] = value;
        };
        let says = |change: &dyn Fn(&mut Value), says: &str| {
            let said = refusal(change, false);
            assert!(said.contains(says), "{said}");
        };
        says(&|t| t["timeZone"] = "Mars".into(), "`timeZone` is `Mars`");
        says(&|t| t["batchRows"] = 0.into(), "`batchRows` is 0");
        says(&|t| t["maxRows"] = 0.into(), "`maxRows` is 0");
        says(&|t| t["stores"] = json!([]), "`stores` is empty");
        says(&|t| table(t, "subjects", json!([])), "`subjects` is empty");
        says(
            &|t| table(t, "subjects", json!([{"column": "c", "identity": "phone"}])),
            "`phone`, which is not among",
        );
        says(
            &|t| table(t, "method", "Nullify".into()),
            "`columns` is empty",
        );
        let keep = json!([{"clock": "at", "for": "P8Y", "reference": " ", "policy": "tax"}]);
        says(&|t| table(t, "keeps", keep.clone()), "name the law");
        let keep = json!([{"clock": "at", "for": "P8Y", "reference": "AO 147", "policy": "tax", "columns": ["id"], "others": [{"name": "email"}]}]);
        says(
            &|t| table(t, "keeps", keep.clone()),
            "`others` of a keep has column `email`",
        );
        for method in ["Restrict", "Pseudonymise"] {
            says(
                &|t| table(t, "method", method.into()),
                &format!("method {method} is no erasure"),
            );
        }
        assert_eq!(
            refusal(|t| t["request"]["kind"] = "Restriction".into(), false),
            ""
        );
        says(
            &|t| t["request"]["kind"] = "Access".into(),
            "`request.delivery` is for Access",
        );
        says(
            &|t| t["request"]["reference"] = "ann@x".into(),
            "`request.reference` must be",
        );
        assert!(refusal(|_| (), true).contains("`--reapply` needs its `clock`"));
    }

    #[test]
    fn values_of_a_person_travel_by_https_alone() {
        let told = |url: &str, form: &str| {
            let told = json!([{"name": "shop/erp", "url": url, "secret": "/r", "identities": ["email"], "identityForm": form}]);
            refusal(|task| task["recipients"] = told, false)
        };
        for url in ["http://erp.example/", "http://127.0.0.1.example/", "erp"] {
            let said = told(url, "Value");
            assert!(
                said.contains("recipient `shop/erp`: `url`"),
                "{url}: {said}"
            );
        }
        for url in [
            "https://erp.example/",
            "http://127.0.0.1:8080/",
            "http://[::1]/",
        ] {
            assert_eq!(told(url, "Value"), "", "{url}");
        }
        assert_eq!(told("http://erp.example/", "KeyedHash"), "");
    }

    #[test]
    fn a_delivery_has_a_recipient_and_an_end() {
        let delivery = json!({"destination": {"url": "s3://b", "object": "o", "credentials": "/c"},
            "recipient": "age1nobody", "expiresAfter": "P30D"});
        let ask = |task: &mut Value| {
            task["request"]["kind"] = "Access".into();
            task["request"]["delivery"] = delivery.clone();
        };
        assert!(refusal(ask, false).contains("no `age` recipient"));
        let never = |task: &mut Value| {
            ask(task);
            task["request"]["delivery"]["expiresAfter"] = "soon".into();
        };
        assert!(refusal(never, false).contains("`soon`"));
    }
}
