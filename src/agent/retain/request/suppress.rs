//! The suppression store: who was erased, by keyed hashes; how far each store's erasures have come; requests under way.
//!
//! In: values of a person, numbers of stores' books. Out: rows in a database of its own, written before the first row of
//! the person goes. No value of a person gets there but as a keyed hash, or as ciphertext to the region's key while its
//! request is under way.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::super::books;
use super::super::error::Error as Run;
use super::super::fault::Fault;
use super::super::store::{MOMENT, Purpose, Store};
use super::ahead;
use super::error::{Error, failed};
use super::hash::HashKey;
use super::person::Person;
use super::settings::Kinds;

/// How a restriction has ended that was lifted.
pub(super) const LIFTED: &str = "Lifted";

/// How an erasure has ended that was ended in its midst.
pub(super) const FORGOTTEN: &str = "Forgotten";

/// What the store is called in messages.
const NAME: &str = "suppression";

/// The suppression store, and the key of its hashes.
#[derive(Debug)]
pub(super) struct Suppression {
    pub(super) store: Store,
    pub(super) key: HashKey,
    region: String,
}

/// A request that was begun.
pub(super) struct Known {
    /// Its run in every store.
    pub(super) run: String,
    /// A keyed hash of what the task gave.
    pub(super) given: Vec<u8>,
    /// Ciphertext of all values, until it has ended.
    pub(super) person: Option<Vec<u8>>,
    /// How many values of the person are suppressed.
    pub(super) suppressed: i64,
    /// When it began: rows that came later are not its own.
    pub(super) began_at: Timestamp,
    /// Whether it has ended.
    pub(super) has_ended: bool,
    /// Whether it restricted rows, and that was lifted since.
    pub(super) is_lifted: bool,
    /// Whether it was to erase, and was ended before all was gone.
    pub(super) is_forgotten: bool,
}

/// Who was erased: by kind and hash.
pub(super) type Erased = BTreeMap<(String, Vec<u8>), Suppressed>;

/// A value of somebody who was erased.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suppressed {
    /// When.
    pub(super) at: Timestamp,
    /// Whether the letters A to Z were the same as a to z then; absent for what an earlier release wrote.
    pub(super) folded: Option<bool>,
}

impl Suppression {
    /// Opens the store.
    pub(super) async fn open(url: &Path, key: HashKey, region: &str) -> Result<Self, Error> {
        let mut store = Store::open(NAME, url, Purpose::Write).await?;
        // What is acknowledged here is told nowhere else.
        store.set("synchronous_commit", "on").await?;
        Ok(Self {
            store,
            key,
            region: region.to_owned(),
        })
    }

    /// The region.
    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// The request of that reference, if it was begun.
    pub(super) async fn find(&mut self, reference: &str) -> Result<Option<Known>, Error> {
        let sql = format!(
            "SELECT run, given, person, to_char(began_at AT TIME ZONE 'UTC', {MOMENT}), state IS NOT NULL, suppressed,
              state IS NOT DISTINCT FROM '{LIFTED}', state IS NOT DISTINCT FROM '{FORGOTTEN}'
            FROM tradewind.request WHERE region = $1 AND reference = $2"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(&self.region)
            .bind(reference);
        let row = query.fetch_optional(&mut self.store.connection).await;
        let read = |row: PgRow| {
            let moment: String = row.try_get(3)?;
            Ok(Known {
                run: row.try_get(0)?,
                given: row.try_get(1)?,
                person: row.try_get(2)?,
                began_at: moment
                    .parse()
                    .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
                has_ended: row.try_get(4)?,
                suppressed: row.try_get(5)?,
                is_lifted: row.try_get(6)?,
                is_forgotten: row.try_get(7)?,
            })
        };
        row.and_then(|row| row.map(read).transpose())
            .map_err(Fault::of("read the request"))
            .map_err(failed(&self.store))
    }

    /// That no other request for the same, by the same values, was begun within a day and has not ended. One that is open for longer waits
    /// for a hold or a recipient, and erases no row that is newer than it: who came back and asks again is not to wait for that.
    pub(super) async fn has_no_twin(&mut self, reference: &str, given: &[u8]) -> Result<(), Error> {
        let sql = "SELECT min(reference) FROM tradewind.request
            WHERE region = $1 AND reference <> $2 AND given = $3 AND state IS NULL
              AND began_at > clock_timestamp() - interval '1 day'";
        let query = sqlx::query(sql).bind(&self.region).bind(reference);
        let row = query
            .bind(given)
            .fetch_one(&mut self.store.connection)
            .await;
        let other: Option<String> = row
            .and_then(|row| row.try_get(0))
            .map_err(Fault::of("look for the same request"))
            .map_err(failed(&self.store))?;
        other.map_or(Ok(()), |other| Err(Error::Duplicate { other }))
    }

    /// Begins a request: from this commit on the person is suppressed, if there is one to be.
    pub(super) async fn begin(
        &mut self,
        (reference, stores): (&str, &[&str]),
        known: &Known,
        person: Option<(&Person, &Kinds)>,
    ) -> Result<(), Error> {
        let failed = failed(&self.store);
        let fault = Fault::of("suppress the person");
        let (mut kinds, mut hashes, mut folded) = (Vec::new(), Vec::new(), Vec::new());
        for (kind, value) in person.into_iter().flat_map(|(person, _)| person.all()) {
            kinds.push(kind.to_owned());
            hashes.push(self.key.value(kind, value));
            folded.push(person.is_some_and(|(_, kinds)| kinds.get(kind) == Some(&true)));
        }
        let sql = "WITH begun AS (
            INSERT INTO tradewind.request (region, reference, run, given, person, began_at, suppressed)
            VALUES ($1, $2, $3, $4, $5, $6::text::timestamptz, $10)
          ), stores AS (
            INSERT INTO tradewind.request_store (region, reference, store) SELECT $1, $2, unnest($12::text[]))
          INSERT INTO tradewind.suppressed (kind, hash, key_id, erased_at, folded, region, reference)
          SELECT p.kind, p.hash, $7, $6::text::timestamptz, p.folded, $1, $2
          FROM unnest($8::text[], $9::bytea[], $11::bool[]) AS p (kind, hash, folded)";
        let query = sqlx::query(sql)
            .bind(&self.region)
            .bind(reference)
            .bind(&known.run);
        let query = query
            .bind(&known.given)
            .bind(&known.person)
            .bind(known.began_at.to_string());
        let query = query.bind(&self.key.id).bind(kinds).bind(hashes);
        let query = query.bind(known.suppressed).bind(folded).bind(stores);
        let done = query.execute(&mut self.store.connection).await;
        done.map(drop).map_err(fault).map_err(failed)
    }

    /// The request has ended: what was kept of the person for it goes.
    pub(super) async fn end(&mut self, reference: &str, state: &str) -> Result<(), Error> {
        let sql = "UPDATE tradewind.request SET person = NULL, state = $3 WHERE region = $1 AND reference = $2";
        let query = sqlx::query(sql).bind(&self.region).bind(reference);
        let done = query.bind(state).execute(&mut self.store.connection).await;
        done.map(drop)
            .map_err(Fault::of("end the request"))
            .map_err(failed(&self.store))
    }

    /// Everybody who was erased, by the latest of their erasures; read as the widest of these read them.
    pub(super) async fn erased(&mut self) -> Result<Erased, Error> {
        let sql = format!(
            "SELECT kind, hash, to_char(max(erased_at) AT TIME ZONE 'UTC', {MOMENT}), key_id = $1,
              CASE WHEN bool_or(folded) OR bool_and(folded IS NOT NULL) THEN bool_or(folded) END
            FROM tradewind.suppressed GROUP BY kind, hash, key_id"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(&self.key.id);
        let failed = failed(&self.store);
        let fault = Fault::of("read who was erased");
        let rows = query.fetch_all(&mut self.store.connection).await;
        let mut erased = Erased::new();
        for row in rows.map_err(&fault).map_err(&failed)? {
            let read = || {
                let moment: String = row.try_get(2)?;
                let moment = moment
                    .parse::<Timestamp>()
                    .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
                Ok((
                    (row.try_get(0)?, row.try_get(1)?),
                    moment,
                    row.try_get::<bool, _>(3)?,
                    row.try_get(4)?,
                ))
            };
            let (value, at, is_of_key, folded) = read().map_err(&fault).map_err(&failed)?;
            if !is_of_key {
                return Err(Error::OtherHashKey);
            }
            erased.insert(value, Suppressed { at, folded });
        }
        Ok(erased)
    }

    /// Whether it knows of a store's erasures at all, if there were any.
    pub(super) async fn knows(&mut self, store: &mut Store) -> Result<(), Error> {
        Ok(is_known(&mut self.store, &self.region, store).await?)
    }

    /// The newest number of a store's erasures that was acknowledged.
    pub(super) async fn acknowledged(&mut self, store: &str) -> Result<i64, Error> {
        Ok(acknowledged(&mut self.store, &self.region, store).await?)
    }

    /// A store's erasures have come so far, and its disk has them.
    pub(super) async fn acknowledge(&mut self, store: &str, number: i64) -> Result<(), Error> {
        let sql = "INSERT INTO tradewind.acknowledged (region, store, number) VALUES ($1, $2, $3)
            ON CONFLICT (region, store) DO UPDATE SET number = greatest(acknowledged.number, excluded.number)";
        let query = sqlx::query(sql).bind(&self.region).bind(store).bind(number);
        let done = query.execute(&mut self.store.connection).await;
        done.map(drop)
            .map_err(Fault::of("acknowledge the erasures"))
            .map_err(failed(&self.store))
    }

    /// Whether it has tables: that it is apart from all stores was seen before it got them.
    pub(super) async fn is_prepared(&mut self) -> Result<bool, Error> {
        Ok(has(&mut self.store, "tradewind.suppressed").await?)
    }

    /// Makes its tables, once it is known to be apart from all stores.
    pub(super) async fn prepare(&mut self) -> Result<(), Error> {
        let migrations = sqlx::migrate!("migrations/suppress");
        let noted = "tradewind.suppress_migration";
        Ok(books::migrate(&mut self.store, migrations, noted).await?)
    }

    /// The suppression store must not be in a store's database, under whatever URL.
    pub(super) async fn is_apart(&mut self, store: &mut Store) -> Result<(), Error> {
        let own = database(&mut self.store).await?;
        if own == database(store).await? || has(store, "tradewind.suppressed").await? {
            let store = store.name.clone();
            return Err(Error::NotApart { store });
        }
        Ok(())
    }

    /// The first of some stores that is on the suppression store's server: what takes the whole server back takes both.
    pub(super) async fn beside(
        &mut self,
        stores: impl Iterator<Item = &mut Store>,
    ) -> Result<Option<String>, Error> {
        let own = said(&mut self.store, SERVER).await?;
        for store in stores {
            if own == said(store, SERVER).await? {
                return Ok(Some(store.name.clone()));
            }
        }
        Ok(None)
    }
}

/// Which server it is, of all: its start, to the microsecond.
const SERVER: &str = "SELECT pg_postmaster_start_time()::text";

/// Which database it is, of all: its server's start, and its number there.
async fn database(store: &mut Store) -> Result<String, Run> {
    let sql = "SELECT concat(pg_postmaster_start_time(), ' ', oid) FROM pg_database WHERE datname = current_database()";
    said(store, sql).await
}

async fn said(store: &mut Store, sql: &'static str) -> Result<String, Run> {
    let row = sqlx::query(sql).fetch_one(&mut store.connection).await;
    row.and_then(|row| row.try_get(0))
        .map_err(Fault::of("read the catalogue"))
        .map_err(|fault| store.failed(fault))
}

/// Whether there is a table of that name.
pub(super) async fn has(store: &mut Store, table: &str) -> Result<bool, Run> {
    let query = sqlx::query("SELECT to_regclass($1) IS NOT NULL").bind(table);
    let row = query.fetch_one(&mut store.connection).await;
    row.and_then(|row| row.try_get(0))
        .map_err(Fault::of("read the catalogue"))
        .map_err(|fault| store.failed(fault))
}

/// The newest number of a store's erasures that was acknowledged.
pub(super) async fn acknowledged(
    suppression: &mut Store,
    region: &str,
    store: &str,
) -> Result<i64, Run> {
    let sql = "SELECT number FROM tradewind.acknowledged WHERE region = $1 AND store = $2";
    let query = sqlx::query(sql).bind(region).bind(store);
    let row = query.fetch_optional(&mut suppression.connection).await;
    row.and_then(|row| row.map(|row| row.try_get(0)).transpose())
        .map(Option::unwrap_or_default)
        .map_err(Fault::of("read what was acknowledged"))
        .map_err(|fault| suppression.failed(fault))
}

/// The newest number of a store's erasures, by its own books; none while they are done over again.
pub(super) async fn head(store: &mut Store) -> Result<i64, Run> {
    if !has(store, "tradewind.erasure_head").await? {
        return Ok(0);
    }
    let sql = "SELECT CASE WHEN behind THEN 0 ELSE number END FROM tradewind.erasure_head WHERE store = $1";
    let query = sqlx::query(sql).bind(&store.name);
    let row = query.fetch_optional(&mut store.connection).await;
    row.and_then(|row| row.map(|row| row.try_get(0)).transpose())
        .map(Option::unwrap_or_default)
        .map_err(Fault::of("read the erasures' number"))
        .map_err(|fault| store.failed(fault))
}

/// Notes that a store is behind, if it is. From then on its number, which grows while erasures are done over again, says
/// nothing, until all have been.
pub(super) async fn note_behind(store: &mut Store, acknowledged: i64) -> Result<(), Error> {
    if head(store).await? >= acknowledged {
        return Ok(());
    }
    let sql = "INSERT INTO tradewind.erasure_head (store, number, behind) VALUES ($1, 0, true)
        ON CONFLICT (store) DO UPDATE SET behind = true";
    let done = sqlx::query(sql)
        .bind(&store.name)
        .execute(&mut store.connection);
    done.await
        .map(drop)
        .map_err(Fault::of("note that the store was restored"))
        .map_err(failed(store))
}

/// A store's books have all that was acknowledged again: erasures go on from that number.
pub(super) async fn catch_up(store: &mut Store, acknowledged: i64) -> Result<(), Error> {
    let sql = "INSERT INTO tradewind.erasure_head AS h (store, number) VALUES ($1, $2)
        ON CONFLICT (store) DO UPDATE SET number = greatest(h.number, excluded.number), behind = false";
    let query = sqlx::query(sql).bind(&store.name).bind(acknowledged);
    let done = query.execute(&mut store.connection).await;
    done.map(drop)
        .map_err(Fault::of("catch up with the erasures"))
        .map_err(failed(store))
}

/// Whether all stores are as new as the erasures that were acknowledged, and no newer; the first that is not is the error. Answers
/// the suppression store, for who asks it more.
pub(in super::super) async fn none_restored(
    url: &Path,
    region: &str,
    stores: impl Iterator<Item = &mut Store>,
) -> Result<Store, Run> {
    let mut suppression = Store::open(NAME, url, Purpose::Read).await?;
    let is_made = has(&mut suppression, "tradewind.acknowledged").await?;
    for store in stores {
        if !is_made {
            is_untouched(store).await?;
            continue;
        }
        is_known(&mut suppression, region, store).await?;
        let number = acknowledged(&mut suppression, region, &store.name).await?;
        is_current(store, number).await?;
        ahead::is_not(&mut suppression, (region, number), store).await?;
    }
    Ok(suppression)
}

/// Whether the suppression store knows of a store's erasures at all. A store is acknowledged, with number 0, before its
/// first row goes; an earlier release did that after it, and had the request there by then. One that was ended before it began
/// says nothing.
async fn is_known(suppression: &mut Store, region: &str, store: &mut Store) -> Result<(), Run> {
    let sql = "SELECT EXISTS (SELECT FROM tradewind.acknowledged WHERE store = $2)
        OR EXISTS (SELECT FROM tradewind.request WHERE region = $1 AND run <> '')";
    let query = sqlx::query(sql).bind(region).bind(&store.name);
    let row = query.fetch_one(&mut suppression.connection).await;
    let known = row.and_then(|row| row.try_get(0));
    let known = known.map_err(Fault::of("read what was acknowledged"));
    if known.map_err(|fault| suppression.failed(fault))? {
        return Ok(());
    }
    is_untouched(store).await
}

/// Whether nobody was ever erased from a store, by its own books.
async fn is_untouched(store: &mut Store) -> Result<(), Run> {
    if !has(store, "tradewind.erasure_head").await? {
        return Ok(());
    }
    let sql = "SELECT EXISTS (SELECT FROM tradewind.erasure_head WHERE store = $1 AND (number > 0 OR behind))";
    let row = sqlx::query(sql).bind(&store.name);
    let row = row.fetch_one(&mut store.connection).await;
    let touched = row.and_then(|row| row.try_get(0));
    let touched = touched.map_err(Fault::of("read the erasures' number"));
    if touched.map_err(|fault| store.failed(fault))? {
        let store = store.name.clone();
        return Err(Run::SuppressionLost { store });
    }
    Ok(())
}

/// Whether a store's books have what was acknowledged.
pub(super) async fn is_current(store: &mut Store, acknowledged: i64) -> Result<(), Run> {
    if head(store).await? < acknowledged {
        let store = store.name.clone();
        return Err(Run::RestoreDetected { store });
    }
    Ok(())
}
