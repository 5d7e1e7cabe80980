//! How each recipient stands, in the suppression store.

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::super::super::fault::Fault;
use super::super::super::store::MOMENT;
use super::super::error::{Error, failed};
use super::super::suppress::Suppression;
use super::{News, Telling};
use crate::contract::{RecipientState, RefusalGround, ToldRecipient};

impl Suppression {
    /// How a recipient stands.
    pub(super) async fn told(
        &mut self,
        reference: &str,
        news: News,
        name: &str,
    ) -> Result<ToldRecipient, Error> {
        let sql = format!(
            "SELECT state, ground, attempts, answer, to_char(at AT TIME ZONE 'UTC', {MOMENT}) FROM tradewind.told
            WHERE region = $1 AND reference = $2 AND news = $3 AND recipient = $4"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.region().to_owned())
            .bind(reference)
            .bind(news.word())
            .bind(name);
        let row = query.fetch_optional(&mut self.store.connection).await;
        row.and_then(|row| row.map_or_else(|| Ok(none(name)), |row| read(name, &row)))
            .map_err(Fault::of("read who was told"))
            .map_err(failed(&self.store))
    }

    /// Writes down how a recipient stands. The time is as it is read again: a later report says the same.
    pub(super) async fn note(
        &mut self,
        telling: Telling<'_>,
        told: &mut ToldRecipient,
    ) -> Result<(), Error> {
        let sql = format!(
            "INSERT INTO tradewind.told (region, reference, news, recipient, state, ground, attempts, answer, at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::timestamptz)
            ON CONFLICT (region, reference, news, recipient) DO UPDATE SET state = excluded.state, ground = excluded.ground,
              attempts = excluded.attempts, answer = excluded.answer, at = excluded.at
            RETURNING to_char(at AT TIME ZONE 'UTC', {MOMENT})"
        );
        let query = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(self.region().to_owned())
            .bind(telling.reference)
            .bind(telling.news.word());
        let query = query.bind(&told.name).bind(told.state.name());
        let query = query.bind(told.ground.map(RefusalGround::name));
        let query = query.bind(told.attempts).bind(&told.answer).bind(&told.at);
        let row = query.fetch_one(&mut self.store.connection).await;
        told.at = row
            .and_then(|row| row.try_get(0))
            .map_err(Fault::of("note who was told"))
            .map_err(failed(&self.store))?;
        Ok(())
    }
}

fn none(name: &str) -> ToldRecipient {
    ToldRecipient {
        name: name.to_owned(),
        ..ToldRecipient::default()
    }
}

fn read(name: &str, row: &PgRow) -> sqlx::Result<ToldRecipient> {
    let (state, ground): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
    let mut states = RecipientState::ALL.into_iter();
    let mut grounds = RefusalGround::ALL.into_iter();
    Ok(ToldRecipient {
        state: states.find(|one| one.name() == state).unwrap_or_default(),
        ground: grounds.find(|one| Some(one.name()) == ground.as_deref()),
        attempts: row.try_get(2)?,
        answer: row.try_get(3)?,
        at: row.try_get(4)?,
        ..none(name)
    })
}
