//! How each recipient stands, in the suppression store.

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::super::super::fault::Fault;
use super::super::super::store::MOMENT;
use super::super::error::{Error, failed};
use super::super::suppress::Suppression;
use super::{News, Telling};
use crate::agent::connect::callback::Failed;
use crate::contract::{RecipientState, RefusalGround, ToldRecipient};

/// How a recipient stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// As it is reported.
    pub(super) told: ToldRecipient,
    /// Attempts that it refused.
    pub(super) refused: i64,
}

impl Standing {
    /// The attempts so far, as the next is judged by them.
    pub(super) fn failed(&self) -> Failed {
        Failed {
            all: u32::try_from(self.told.attempts).unwrap_or(u32::MAX),
            refused: u32::try_from(self.refused).unwrap_or_default(),
        }
    }

    /// Whether it has taken it, or may have: of an attempt that it did not refuse only the answer may have been lost.
    pub(super) fn may_have_taken(&self) -> bool {
        match self.told.state {
            RecipientState::Told | RecipientState::Done => true,
            RecipientState::Pending | RecipientState::Failed => self.told.attempts > self.refused,
            _ => false,
        }
    }
}

impl Suppression {
    /// How a recipient stands.
    pub(super) async fn told(
        &mut self,
        reference: &str,
        news: News,
        name: &str,
    ) -> Result<Standing, Error> {
        let sql = format!(
            "SELECT state, ground, attempts, answer, to_char(at AT TIME ZONE 'UTC', {MOMENT}), refused FROM tradewind.told
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

    /// Writes down how a recipient stands, and reads it again: the time is as every later report says it. An end stays, for
    /// a pod that has lost its session may still hear the answer to what another has told since.
    pub(super) async fn note(
        &mut self,
        telling: Telling<'_>,
        standing: &mut Standing,
    ) -> Result<(), Error> {
        let told = &standing.told;
        let sql = "INSERT INTO tradewind.told AS t (region, reference, news, recipient, state, ground, attempts, answer, at, refused)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::timestamptz, $10)
            ON CONFLICT (region, reference, news, recipient) DO UPDATE SET state = excluded.state, ground = excluded.ground,
              attempts = excluded.attempts, answer = excluded.answer, at = excluded.at, refused = excluded.refused
            WHERE t.state = 'Pending'";
        let query = sqlx::query(sql)
            .bind(self.region().to_owned())
            .bind(telling.reference)
            .bind(telling.news.word());
        let query = query.bind(&told.name).bind(told.state.name());
        let query = query.bind(told.ground.map(RefusalGround::name));
        let query = query.bind(told.attempts).bind(&told.answer).bind(&told.at);
        let query = query.bind(standing.refused);
        let done = query.execute(&mut self.store.connection).await;
        done.map_err(Fault::of("note who was told"))
            .map_err(failed(&self.store))?;
        let (reference, news) = (telling.reference, telling.news);
        *standing = self.told(reference, news, &standing.told.name).await?;
        Ok(())
    }
}

fn none(name: &str) -> Standing {
    let told = ToldRecipient {
        name: name.to_owned(),
        ..ToldRecipient::default()
    };
    Standing { told, refused: 0 }
}

fn read(name: &str, row: &PgRow) -> sqlx::Result<Standing> {
    let (state, ground): (String, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
    let mut states = RecipientState::ALL.into_iter();
    let mut grounds = RefusalGround::ALL.into_iter();
    let told = ToldRecipient {
        name: name.to_owned(),
        state: states.find(|one| one.name() == state).unwrap_or_default(),
        ground: grounds.find(|one| Some(one.name()) == ground.as_deref()),
        attempts: row.try_get(2)?,
        answer: row.try_get(3)?,
        at: row.try_get(4)?,
    };
    let refused = row.try_get(5)?;
    Ok(Standing { told, refused })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_was_lost_may_have_been_a_yes() {
        let may = |state, attempts, refused| {
            let told = ToldRecipient {
                state,
                attempts,
                ..ToldRecipient::default()
            };
            Standing { told, refused }.may_have_taken()
        };
        for state in [RecipientState::Pending, RecipientState::Failed] {
            assert!(!may(state, 0, 0) && !may(state, 20, 20));
            assert!(may(state, 1, 0) && may(state, 20, 19));
        }
        assert!(may(RecipientState::Told, 1, 0) && may(RecipientState::Done, 3, 0));
        for state in [
            RecipientState::Refused,
            RecipientState::NoData,
            RecipientState::NotConcerned,
            RecipientState::Held,
        ] {
            assert!(!may(state, 1, 0), "{state:?}");
        }
    }
}
