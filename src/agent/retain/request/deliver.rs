//! A copy of a person's rows: JSON with all of them, CSV by table, encrypted to the recipient that the task names.
//!
//! In: a request for access or portability. Out: objects in a bucket, of which none counts before the manifest is there,
//! the last. Reads the stores only; nothing unencrypted leaves memory.

use std::collections::BTreeMap;

use age::x25519::Recipient;
use jiff::Timestamp;
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use sqlx::{PgConnection, Row};
use zeroize::Zeroizing;

use super::super::error::Error as RunError;
use super::super::fault::Fault;
use super::super::outside;
use super::super::refusal::Refusal;
use super::super::statement::{Statement, Value as Bound};
use super::super::store::Purpose;
use super::error::{Error, failed};
use super::person::{self, Person};
use super::select::{Who, Whose};
use super::settings::{self, Settings};
use super::site::{self, Site, whose};
use super::{lookup, suppress};
use crate::agent::blur;
use crate::agent::feed::destination;
use crate::contract::{
    Delivered, Delivery, Erase, EraseReport, ErasedStore, ErasedTable, Outcome, RequestKind,
    RequestState, SubjectRequest, Task,
};

/// What says which objects belong together.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    version: u32,
    request: &'a str,
    kind: &'a str,
    region: &'a str,
    created_at: String,
    expires_at: &'a str,
    files: &'a [File],
}

/// An object, encrypted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct File {
    object: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    format: &'static str,
    rows: usize,
    bytes: usize,
    hash: String,
}

/// A row, each value as the database writes it: a number has all its digits, which no float of ours could keep.
type Values = BTreeMap<String, Box<RawValue>>;

/// A table's rows.
struct Copied {
    store: String,
    table: String,
    rows: Vec<Values>,
}

/// Copies and delivers.
pub(super) async fn copy(
    task: &Task<Erase>,
    request: &SubjectRequest,
    settings: &Settings,
) -> Result<EraseReport, Error> {
    let delivery = request.delivery.as_ref().ok_or(settings::Error::Delivery)?;
    let region_key = person::key(&request.key)?;
    let mut person = Person::given(&request.identity, &region_key, &settings.kinds)?;
    let mut sites = site::open(settings, Purpose::Read).await?;
    let stores = sites.iter_mut().map(|site| &mut site.store);
    suppress::none_restored(&task.spec.suppression.url, &task.region, stores).await?;
    lookup::follow(&mut sites, &mut person, &settings.kinds).await?;
    let who = Who::Person(person);
    let mut all = Vec::new();
    for site in &mut sites {
        let portable =
            (request.kind == RequestKind::Portability).then(|| site.scope.portable.clone());
        all.extend(read(site, &who, settings, portable.as_deref()).await?);
    }
    let now = match sites.first_mut() {
        Some(site) => site.store.now().await?,
        None => Timestamp::MIN,
    };
    let delivered = deliver(task, (request, delivery), settings, &all, now).await?;
    let stores = settings.stores.iter().map(|store| {
        let tables = all.iter().filter(|copied| copied.store == store.name);
        let tables = tables.map(|copied| ErasedTable {
            name: copied.table.clone(),
            state: RequestState::Verified,
            found: blur::alone(
                settings.small_counts,
                i64::try_from(copied.rows.len()).unwrap_or(i64::MAX),
            ),
            ..ErasedTable::default()
        });
        ErasedStore {
            name: store.name.clone(),
            state: None,
            tables: tables.collect(),
        }
    });
    Ok(EraseReport {
        request: request.reference.clone(),
        state: RequestState::Verified,
        delivered: Some(delivered),
        stores: stores.collect(),
        ..EraseReport::default()
    })
}

/// Every row of the person in a store, from one snapshot; of some tables only, where they are named.
async fn read(
    site: &mut Site,
    who: &Who,
    settings: &Settings,
    only: Option<&[String]>,
) -> Result<Vec<Copied>, Error> {
    let failed = failed(&site.store);
    let store = site.store.name.clone();
    let wanted = |name: &String| only.is_none_or(|only| only.contains(name));
    let steps: Vec<_> = site
        .plan
        .steps
        .iter()
        .filter(|step| wanted(&step.rule.name))
        .cloned()
        .collect();
    let snapshot = site.store.begin_snapshot(Purpose::Read).await;
    let mut snapshot = snapshot.map_err(&failed)?;
    let mut all = Vec::new();
    let mut missing = Vec::new();
    let mut role = String::new();
    for step in &steps {
        let granted = granted(&mut snapshot, step.table.oid).await;
        let (is_granted, by) = granted.map_err(&failed)?;
        if !is_granted {
            missing.push(format!("GRANT SELECT ON {} TO {by};", step.table.name));
        }
        role = by;
    }
    if !missing.is_empty() {
        let refusal = Refusal::GrantsMissing {
            store,
            role,
            statements: missing,
        };
        return Err(RunError::Refused(vec![refusal]).into());
    }
    for step in &steps {
        let whose = whose(step, who, &settings.kinds);
        let rows = rows(&mut snapshot, whose, settings.max_rows).await;
        let rows = rows.map_err(&failed)?;
        let table = step.rule.name.clone();
        if i64::try_from(rows.len()).is_ok_and(|count| count > settings.max_rows) {
            let most = settings.max_rows;
            return Err(Error::TooMany { table, most });
        }
        all.push((
            step.rule.position,
            Copied {
                store: store.clone(),
                table,
                rows,
            },
        ));
    }
    let oids: Vec<i64> = steps.iter().map(|step| step.table.oid).collect();
    outside::check(&mut snapshot, &store, &oids).await?;
    all.sort_by_key(|(position, _)| *position);
    Ok(all.into_iter().map(|(_, copied)| copied).collect())
}

/// Whether the role may read all of a table; and the role's name, quoted.
async fn granted(connection: &mut PgConnection, oid: i64) -> Result<(bool, String), Fault> {
    let fault = Fault::of("read the role's grants");
    let sql = "SELECT has_table_privilege($1::bigint::oid, 'SELECT'), quote_ident(current_user)";
    let row = sqlx::query(sql).bind(oid).fetch_one(connection).await;
    let row = row.map_err(&fault)?;
    Ok((
        row.try_get(0).map_err(&fault)?,
        row.try_get(1).map_err(fault)?,
    ))
}

async fn rows(
    connection: &mut PgConnection,
    whose: Whose<'_>,
    most: i64,
) -> Result<Vec<Values>, Fault> {
    let mut sql = Statement::default();
    let theirs = whose.theirs(&mut sql, "t");
    let most = sql.bind(Bound::Number(most.saturating_add(1)));
    sql.push(&format!(
        "SELECT pg_catalog.to_jsonb(t)::pg_catalog.text FROM {} AS t WHERE {theirs} LIMIT {most}",
        whose.table.name
    ));
    let fault = Fault::of("copy the person's rows");
    let rows = sql.query().map_err(&fault)?.fetch_all(connection).await;
    let read = |row: &sqlx::postgres::PgRow| {
        let text = row.try_get::<&str, _>(0)?;
        serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))
    };
    let rows = rows.and_then(|rows| rows.iter().map(read).collect::<Result<Vec<_>, _>>());
    rows.map_err(fault)
}

/// Writes the objects, then the manifest that makes them count.
async fn deliver(
    task: &Task<Erase>,
    (request, delivery): (&SubjectRequest, &Delivery),
    settings: &Settings,
    all: &[Copied],
    now: Timestamp,
) -> Result<Delivered, Error> {
    let recipient = settings::recipient(delivery)?;
    let later = now
        .to_zoned(settings.zone.clone())
        .checked_add(settings::expires(delivery)?);
    let expires_at = later.map_err(|_| settings::Error::Expires {
        period: delivery.expires_after.clone(),
    })?;
    let expires_at = expires_at.timestamp().to_string();
    let (bucket, object) =
        destination::place(&delivery.destination).map_err(|error| refused(&error))?;
    let mut files = Vec::new();
    let put = async |path: &Path, bytes: Vec<u8>| {
        let done = bucket.put(path, bytes.into()).await;
        done.map(drop)
            .map_err(|error| refused(&destination::failed(&error)))
    };
    let whole = Zeroizing::new(json(request, &task.region, all)?);
    let path = destination::beside(&object, "json.age");
    let file = encrypted(&recipient, &whole, &path, (None, "Json", count(all)))?;
    put(&path, file.1).await?;
    files.push(file.0);
    for (copied, number) in all.iter().zip(1_u32..) {
        let table = Zeroizing::new(csv(&copied.rows)?);
        let path = destination::beside(&object, &format!("{number}.csv.age"));
        let about = (Some(copied), "Csv", copied.rows.len());
        let file = encrypted(&recipient, &table, &path, about)?;
        put(&path, file.1).await?;
        files.push(file.0);
    }
    let manifest = Manifest {
        version: crate::contract::VERSION,
        request: &request.reference,
        kind: request.kind.name(),
        region: &task.region,
        created_at: now.to_string(),
        expires_at: &expires_at,
        files: &files,
    };
    let bytes = serde_json::to_vec_pretty(&manifest).map_err(|_| Error::Encrypt)?;
    let hash = hash(&bytes);
    let path = destination::beside(&object, "manifest.json");
    put(&path, bytes).await?;
    Ok(Delivered {
        manifest: path.to_string(),
        place: Some(delivery.destination.place()),
        hash,
        expires_at,
        removed_at: None,
    })
}

fn count(all: &[Copied]) -> usize {
    all.iter().map(|copied| copied.rows.len()).sum()
}

fn hash(bytes: &[u8]) -> String {
    format!("sha256-{}", hex::encode(Sha256::digest(bytes)))
}

/// Ciphertext, and what the manifest says of it.
fn encrypted(
    recipient: &Recipient,
    plain: &[u8],
    path: &Path,
    (of, format, rows): (Option<&Copied>, &'static str, usize),
) -> Result<(File, Vec<u8>), Error> {
    let bytes = age::encrypt(recipient, plain).map_err(|_| Error::Encrypt)?;
    let file = File {
        object: path.to_string(),
        store: of.map(|copied| copied.store.clone()),
        table: of.map(|copied| copied.table.clone()),
        format,
        rows,
        bytes: bytes.len(),
        hash: hash(&bytes),
    };
    Ok((file, bytes))
}

/// `{"region": ..., "request": ..., "stores": {"shop": {"customers": [...]}}}`
#[derive(Serialize)]
struct Whole<'a> {
    region: &'a str,
    request: &'a str,
    stores: BTreeMap<&'a str, BTreeMap<&'a str, &'a [Values]>>,
}

fn json(request: &SubjectRequest, region: &str, all: &[Copied]) -> Result<Vec<u8>, Error> {
    let mut stores: BTreeMap<&str, BTreeMap<&str, &[Values]>> = BTreeMap::new();
    for copied in all {
        let tables = stores.entry(&copied.store).or_default();
        tables.insert(&copied.table, &copied.rows);
    }
    let whole = Whole {
        region,
        request: &request.reference,
        stores,
    };
    serde_json::to_vec_pretty(&whole).map_err(|_| Error::Encrypt)
}

/// A header, then a row a line: texts as they are, nothing for null, all else as JSON has it.
fn csv(rows: &[Values]) -> Result<Vec<u8>, Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if let Some(first) = rows.first() {
        writer
            .write_record(first.keys())
            .map_err(|_| Error::Encrypt)?;
    }
    for row in rows {
        let cells: Result<Vec<String>, _> = row.values().map(|value| cell(value)).collect();
        let cells = cells.map_err(|_| Error::Encrypt)?;
        writer.write_record(cells).map_err(|_| Error::Encrypt)?;
    }
    writer.into_inner().map_err(|_| Error::Encrypt)
}

fn cell(value: &RawValue) -> serde_json::Result<String> {
    match value.get() {
        "null" => Ok(String::new()),
        text if text.starts_with('"') => serde_json::from_str(text),
        other => Ok(other.to_owned()),
    }
}

/// What the object store's word means here.
pub(super) fn refused(error: &destination::Error) -> Error {
    let (outcome, reason) = match error {
        destination::Error::Unavailable { .. } | destination::Error::Stopped => {
            (Outcome::Retry, "DestinationUnavailable")
        }
        destination::Error::Credentials { .. } => (Outcome::Refused, "DestinationRefused"),
        _ => (Outcome::Refused, "DestinationInvalid"),
    };
    Error::Delivery {
        what: error.to_string(),
        outcome,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_a_line_with_its_columns_in_one_order() {
        let rows: Vec<Values> = serde_json::from_str(
            r#"[{"id": 7, "text": "a, \"b\"\nc", "tags": ["x"], "sum": 12345678901234567890.10}, {"id": 8, "text": null, "tags": [], "sum": 1e400}]"#,
        )
        .unwrap();
        let text = String::from_utf8(csv(&rows).unwrap()).unwrap();
        assert_eq!(
            text,
            "id,sum,tags,text\n7,12345678901234567890.10,\"[\"\"x\"\"]\",\"a, \"\"b\"\"\nc\"\n8,1e400,[],\n"
        );
        assert_eq!(csv(&[]).unwrap(), b"");
    }
}
