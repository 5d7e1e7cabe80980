//! What the server's catalogue says about the rules' tables.
//!
//! In: names as the task wrote them, bound as values. Out: [`Table`]s, whose every identifier comes from the
//! catalogue and was quoted by the server; or why a rule cannot run. Reads only.

use sha2::{Digest as _, Sha256};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::change::Change;
use super::clocks::{self, Clock};
use super::columns;
use super::contact::{self, Contact, Standing};
use super::cutoff::ClockKind;
use super::fault::Fault;
use super::grants::Grants;
use super::lesser::Lesser;
use super::notice;
use super::references::{self, Reference};
use super::refusal::Refusal;
use super::restrict::{self, hides};
use super::settings::Rule;
use super::store::Store;
use super::subjects::{self, Subject};
use super::triggers::{self, Trigger};

/// A table that a rule erases from.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// Its identity.
    pub(super) oid: i64,
    /// `schema.table`, quoted.
    pub(super) name: String,
    /// The clock column, quoted; of a request's table that names none, a column that tells whose a row is.
    pub(super) clock: String,
    /// The clock's type.
    pub(super) kind: ClockKind,
    /// The column that each keep of the rule counts from, in their order.
    pub(super) keeps: Vec<Clock>,
    /// Whose newest row its period runs from, beside its own clock.
    pub(super) contacts: Vec<Contact>,
    /// The column that says when a person was told; none where nobody need be.
    pub(super) notice: Option<Clock>,
    /// The primary key's columns, in its order.
    pub(super) key: Vec<Column>,
    /// The columns that tell whose a row is; none where no person is looked for.
    pub(super) subjects: Vec<Subject>,
    /// What the role may see of its rows beside their columns.
    pub(super) seen: Seen,
    /// What the rule changes; nothing when it deletes.
    pub(super) changes: Vec<Change>,
    /// Who refers to its rows; left empty where these stay, and keep what others refer to.
    pub(super) references: Vec<Reference>,
    /// Triggers of somebody's own that erasing fires.
    pub(super) triggers: Vec<Trigger>,
    /// The same table for each of its rule's keeps of some columns, of an erasure.
    pub(super) lesser: Vec<Lesser>,
    /// All of the above but the triggers in one text, for comparison: see [`shape`].
    pub(super) shape: String,
}

/// What a role may see of a plain table's rows beside their columns; nothing of one in many files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Whether rows can be found by their place (`ctid`).
    pub(super) places: bool,
    /// Whether a row tells which transaction wrote it (`xmin`).
    pub(super) writers: bool,
}

/// A column of a primary key.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Its name, quoted.
    pub(super) name: String,
    /// Its type as SQL writes it.
    pub(super) kind: String,
    /// Whether it is one of the integers.
    pub(super) is_integer: bool,
    /// The operator by which the primary key tells keys apart, with its schema.
    pub(super) equals: String,
}

impl Table {
    /// Whether its rows refer to each other.
    pub(super) fn refers_to_itself(&self) -> bool {
        self.references
            .iter()
            .any(|reference| reference.oid == self.oid)
    }

    /// Its clock columns, quoted: the rule's, and those of keeps.
    pub(super) fn clocks(&self) -> Vec<String> {
        let keeps = self.keeps.iter().map(|clock| &clock.name);
        keeps.chain([&self.clock]).cloned().collect()
    }

    /// The columns by which the rule works, quoted: its clocks, its notice, what it changes, what tells whose a row is, and what contacts
    /// refer to.
    pub(super) fn watched(&self) -> Vec<String> {
        let changes = self.changes.iter().map(|change| change.name.clone());
        let subjects = self.subjects.iter().map(|subject| subject.name.clone());
        let links = self.contacts.iter().flat_map(|contact| &contact.links);
        let contacts = links.map(|link| link.parent.clone());
        let own = changes.chain(self.clocks());
        let notice = self.notice.iter().map(|notice| notice.name.clone());
        own.chain(subjects).chain(contacts).chain(notice).collect()
    }

    /// All that a run, or an approval, is bound to: the table's shape, and what the rule sets in it. A run that began to
    /// set something else, or by another zone, cannot be judged by what is set now.
    pub(super) fn bound_to(&self) -> String {
        let contacts = self.contacts.iter().map(Contact::bound_to);
        let lesser = self.lesser.iter().map(Lesser::bound_to);
        let shape = [self.shape.clone()]
            .into_iter()
            .chain(contacts)
            .chain(lesser);
        let shape = shape.collect::<String>();
        if self.changes.is_empty() {
            return shape;
        }
        let mut changes = Sha256::new();
        for change in &self.changes {
            changes.update(format!("{}\0{}\0", change.name, change.set.word()));
        }
        format!("{shape} sets {}", hex::encode(changes.finalize()))
    }

    /// Whether its keys are packed as integers.
    pub(super) fn packs_integers(&self) -> bool {
        self.key.iter().all(|column| column.is_integer)
    }
}

const FIND: &str = "
SELECT c.oid::bigint, format('%I.%I', n.nspname, c.relname), c.relkind::text,
  n.nspname = 'tradewind' OR n.nspname = 'information_schema' OR n.nspname LIKE 'pg\\_%',
  row_security_active(c.oid), quote_ident(current_user),
  c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid OR i.inhrelid = c.oid AND NOT c.relispartition),
  c.relkind = 'r' AND has_column_privilege(c.oid, 'ctid', 'SELECT'),
  (SELECT format('%I.%I', m.nspname, p.relname) FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
    JOIN pg_namespace m ON m.oid = p.relnamespace WHERE c.relispartition AND i.inhrelid = c.oid),
  c.relkind = 'r' AND has_column_privilege(c.oid, 'xmin', 'SELECT')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND (n.nspname || '.' || c.relname = $1
    OR c.relname = $1 AND (c.oid = (SELECT r.oid
        FROM unnest($2::text[]) WITH ORDINALITY AS path (schema, place)
        JOIN pg_namespace AS m ON m.nspname = path.schema
        JOIN pg_class AS r ON r.relnamespace = m.oid AND r.relname = $1
        ORDER BY path.place LIMIT 1)
      OR NOT has_schema_privilege(n.oid, 'USAGE')
        AND n.nspname = ANY (string_to_array(replace($3, ' ', ''), ','))))";

const KEY: &str = "
SELECT quote_ident(a.attname), format_type(a.atttypid, a.atttypmod), a.atttypid IN (20, 21, 23),
  format('OPERATOR(%I.%s)', n.nspname, o.oprname)
FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k (attnum, place)
JOIN pg_attribute a ON a.attnum = k.attnum, pg_opclass c
JOIN pg_amop s ON s.amopfamily = c.opcfamily AND s.amoplefttype = c.opcintype AND s.amoprighttype = c.opcintype
  AND s.amopstrategy = 3 -- of a B-tree: equality
JOIN pg_operator o ON o.oid = s.amopopr
JOIN pg_namespace n ON n.oid = o.oprnamespace
WHERE c.oid = i.indclass[(k.place - 1)::int] AND c.opcmethod = (SELECT oid FROM pg_am WHERE amname = 'btree') AND i.indrelid = $1::bigint::oid AND i.indisprimary AND i.indisvalid AND a.attrelid = i.indrelid
  AND k.place <= i.indnkeyatts
ORDER BY k.place";

/// One text for all that a run relies on: the table behind the name, its clocks, key and security, the columns
/// that change, every foreign key that leads to it, and of one whose rows are restricted whether it hides these. Anything
/// else may change under a run.
pub(super) const SHAPE: &str = concat!("
SELECT concat_ws(' ', c.oid, c.relkind, row_security_active(c.oid),
  (SELECT string_agg(concat_ws(':', a.attnum, quote_ident(a.attname), a.atttypid, a.atttypmod), ',' ORDER BY a.attnum)
    FROM pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped
      AND (quote_ident(a.attname) = ANY ($2) OR a.attnum = ANY (i.indkey))),
  i.indexrelid,
  (SELECT string_agg(concat_ws(':', k.oid, k.conrelid, k.conkey, k.confkey, row_security_active(k.conrelid)), ',' ORDER BY k.oid)
    FROM pg_constraint k WHERE k.contype = 'f' AND k.confrelid IN
      (SELECT c.oid UNION SELECT relid FROM pg_partition_tree(c.oid::regclass))),
  CASE WHEN 'restricted_by' = ANY ($2) THEN CASE WHEN ", hides!(), " THEN 'hides' ELSE 'shows' END END)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE c.oid = $3::bigint::oid AND format('%I.%I', n.nspname, c.relname) = $1");

/// The text of [`Table::shape`] as it is now; `None` when the table, its name or its key is gone.
pub(super) async fn shape(
    connection: &mut PgConnection,
    oid: i64,
    name: &str,
    watched: &[String],
) -> Result<Option<String>, Fault> {
    let query = sqlx::query(SHAPE).bind(name).bind(watched).bind(oid);
    let found = query.fetch_optional(connection).await;
    let shape = found.and_then(|row| row.map(|row| row.try_get(0)).transpose());
    shape.map_err(Fault::of("look at the table again"))
}

/// Whether the table is another than it was; asked when a statement missed something. If it is not, what is missing is not
/// ours: a trigger's own table, say.
pub(super) async fn has_drifted(store: &mut Store, table: &Table) -> Result<bool, Fault> {
    let connection = &mut store.connection;
    let shape = shape(connection, table.oid, &table.name, &table.watched()).await?;
    let contacts = contact::standing(connection, table).await?;
    Ok(shape.as_ref() != Some(&table.shape) || contacts == Standing::Changed)
}

/// Looks up a rule's table. What is wrong with it goes into the refusals, what the role lacks into the grants.
pub(super) async fn table(
    store: &mut Store,
    rule: &Rule,
    grants: &mut Grants,
) -> Result<Result<Table, Refusal>, Fault> {
    let fault = Fault::of("read the catalogue");
    let row = match found(store, rule).await? {
        Ok(row) => row,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let (connection, name) = (&mut store.connection, rule.name.clone());
    let oid: i64 = row.try_get(0).map_err(&fault)?;
    let table: String = row.try_get(1).map_err(&fault)?;
    let user: String = row.try_get(5).map_err(&fault)?;
    let seen = seen(&row, &table, &user).map_err(&fault)?;
    let subjects = match subjects::find(connection, oid, &table, rule).await? {
        Ok(subjects) => subjects,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let (clock, keeps) = match clocks::clocks(connection, oid, (&table, &subjects), rule).await? {
        Ok(clocks) => clocks,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let key = key(connection, oid).await?;
    if key.is_empty() {
        return Ok(Err(Refusal::NoPrimaryKey { rule: name, table }));
    }
    if let Some(refusal) = restrict::unprepared(connection, oid, &table, rule).await? {
        return Ok(Err(refusal));
    }
    let own = (!rule.clock.is_empty()).then_some(&clock);
    let all: Vec<&Clock> = keeps.iter().chain(own).collect();
    let changes = columns::find(connection, oid, &all, &rule.changes).await?;
    let changes = match changes.map_err(|unfit| Refusal::of(unfit, rule, &table)) {
        Ok(changes) => changes,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let references = match references::of(connection, oid, rule, &user).await? {
        Ok(references) => references,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let triggers = match triggers::fired(connection, oid, &changes, (&name, &table)).await? {
        Ok(triggers) => triggers,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let table = Table {
        oid,
        name: table,
        clock: clock.name,
        kind: clock.kind,
        keeps,
        contacts: Vec::new(),
        notice: None,
        key,
        subjects,
        seen,
        changes,
        references,
        triggers,
        lesser: Vec::new(),
        shape: String::new(),
    };
    whole(store, rule, table, grants).await
}

/// The table with its contacts, its notice and its shape, and what the role lacks for it.
pub(super) async fn whole(
    store: &mut Store,
    rule: &Rule,
    mut table: Table,
    grants: &mut Grants,
) -> Result<Result<Table, Refusal>, Fault> {
    table.contacts = match contact::find(store, rule, (&table.name, table.oid)).await? {
        Ok(contacts) => contacts,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let connection = &mut store.connection;
    table.notice = match notice::find(connection, table.oid, &table.name, rule).await? {
        Ok(notice) => notice,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let shape = shape(connection, table.oid, &table.name, &table.watched()).await?;
    table.shape = shape.unwrap_or_default();
    grants.check(connection, &table).await?;
    Ok(Ok(table))
}

/// The one thing of a rule's table's name, if it is a table that rows can be erased from.
pub(super) async fn found(store: &mut Store, rule: &Rule) -> Result<Result<PgRow, Refusal>, Fault> {
    let fault = Fault::of("read the catalogue");
    let found = sqlx::query(FIND)
        .bind(&rule.table)
        .bind(&store.path.schemas)
        .bind(&store.path.setting)
        .fetch_all(&mut store.connection)
        .await;
    let mut found = found.map_err(&fault)?;
    let (name, table) = (rule.name.clone(), rule.table.clone());
    let Some(row) = found.pop() else {
        return Ok(Err(Refusal::TableMissing { rule: name, table }));
    };
    if !found.is_empty() {
        return Ok(Err(Refusal::TableAmbiguous { rule: name, table }));
    }
    let refusal = unfit(&row, &rule.name).map_err(&fault)?;
    Ok(refusal.map_or(Ok(row), Err))
}

/// Whether the role may see where rows lie, and who wrote them. A run needs neither; without them it is right, and slower.
fn seen(row: &PgRow, table: &str, user: &str) -> Result<Seen, sqlx::Error> {
    let kind: String = row.try_get(2)?;
    let (places, writers) = (row.try_get(7)?, row.try_get(9)?);
    if kind == "r" && !(places && writers) {
        tracing::info!(
            mend = format!("GRANT SELECT (ctid, xmin) ON {table} TO {user};"),
            "the role may not see where rows lie, or who wrote them: erasing takes longer"
        );
    }
    Ok(Seen { places, writers })
}

/// What is wrong with the thing of that name, before any column is looked at.
fn unfit(row: &PgRow, rule: &str) -> Result<Option<Refusal>, sqlx::Error> {
    let (table, kind): (String, String) = (row.try_get(1)?, row.try_get(2)?);
    let (system, secured, inherited) = (row.try_get(3)?, row.try_get(4)?, row.try_get(6)?);
    let parent: Option<String> = row.try_get(8)?;
    let rule = rule.to_owned();
    Ok(match (kind.as_str(), parent) {
        _ if system => Some(Refusal::SystemTable { rule, table }),
        ("v" | "m", _) => Some(Refusal::View { rule, table }),
        ("f", _) => Some(Refusal::ForeignTable { rule, table }),
        (_, Some(parent)) => Some(Refusal::Partition {
            rule,
            table,
            parent,
        }),
        _ if secured => Some(Refusal::RowSecurityActive {
            rule,
            table,
            role: row.try_get(5)?,
        }),
        _ if inherited => Some(Refusal::Inherited { rule, table }),
        _ => None,
    })
}

async fn key(connection: &mut PgConnection, oid: i64) -> Result<Vec<Column>, Fault> {
    let fault = Fault::of("read the catalogue");
    let rows = sqlx::query(KEY)
        .bind(oid)
        .fetch_all(connection)
        .await
        .map_err(&fault)?;
    let column = |row: &PgRow| {
        Ok(Column {
            name: row.try_get(0)?,
            kind: row.try_get(1)?,
            is_integer: row.try_get(2)?,
            equals: row.try_get(3)?,
        })
    };
    rows.iter()
        .map(column)
        .collect::<Result<_, _>>()
        .map_err(&fault)
}
