//! A statement that is put together: text from us and from the catalogue, values bound.

use sqlx::encode::{Encode, IsNull};
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo, Postgres};
use sqlx::query::Query;
use sqlx::types::Type;
use sqlx::{Arguments as _, AssertSqlSafe};

use zeroize::Zeroize as _;

use super::cutoff::ClockKind;

/// SQL and its values. Text comes from string literals of this program, and identifiers that the server itself
/// quoted; whatever a task says arrives by [`Statement::bind`].
#[derive(Debug, Default)]
pub(super) struct Statement {
    text: String,
    values: Vec<Value>,
}

/// A bound value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// `text`; the statement casts it.
    Text(String),
    /// `text[]`
    Texts(Vec<String>),
    /// `text[]` of what identifies a person
    Hidden(Hidden),
    /// `bigint`
    Number(i64),
    /// `bigint[]`
    Numbers(Vec<i64>),
    /// A clock of the column's own type: a text would be parsed again for every row.
    Clock(ClockKind, String),
}

/// Texts that identify a person: nothing shows them, and they leave memory with their owner. What the driver makes of
/// them on their way to the server is its own.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Hidden(pub(super) Vec<String>);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Hidden")
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A clock as PostgreSQL takes it in binary: days or microseconds since the year 2000.
struct Clock(ClockKind, i64);

impl Clock {
    /// From the text that [`super::cutoff`] gave.
    fn parse(kind: ClockKind, text: &str) -> Result<Self, jiff::Error> {
        let first = jiff::civil::date(2000, 1, 1);
        let number = match kind {
            ClockKind::Date => {
                let days = first.until((jiff::Unit::Day, text.parse::<jiff::civil::Date>()?))?;
                i64::from(days.get_days())
            }
            ClockKind::Timestamp => {
                let wall: jiff::civil::DateTime = text.parse()?;
                micros(wall.duration_since(first.at(0, 0, 0, 0)))
            }
            ClockKind::Timestamptz => {
                let moment: jiff::Timestamp = text.parse()?;
                let first = first.to_zoned(jiff::tz::TimeZone::UTC)?.timestamp();
                micros(moment.duration_since(first))
            }
        };
        Ok(Self(kind, number))
    }
}

/// Whole microseconds: what a clock's text has, no more.
fn micros(duration: jiff::SignedDuration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

impl Type<Postgres> for Clock {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("timestamptz")
    }
}

impl Encode<'_, Postgres> for Clock {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        match self.0 {
            ClockKind::Date => buffer.extend(&i32::try_from(self.1)?.to_be_bytes()),
            ClockKind::Timestamp | ClockKind::Timestamptz => buffer.extend(&self.1.to_be_bytes()),
        }
        Ok(IsNull::No)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        // The types' numbers are the same in every PostgreSQL.
        let oid = match self.0 {
            ClockKind::Date => 1082,
            ClockKind::Timestamp => 1114,
            ClockKind::Timestamptz => 1184,
        };
        Some(PgTypeInfo::with_oid(Oid(oid)))
    }
}

impl Statement {
    /// Adds a value; answers its place, `$3`.
    pub(super) fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    /// Adds text.
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Ready to run.
    pub(super) fn query(self) -> Result<Query<'static, Postgres, PgArguments>, sqlx::Error> {
        let mut arguments = PgArguments::default();
        for value in self.values {
            match value {
                Value::Text(text) => arguments.add(text),
                Value::Texts(texts) => arguments.add(texts),
                Value::Hidden(hidden) => arguments.add(&hidden.0),
                Value::Number(number) => arguments.add(number),
                Value::Numbers(numbers) => arguments.add(numbers),
                Value::Clock(kind, text) => {
                    let clock = Clock::parse(kind, &text);
                    arguments.add(clock.map_err(|error| sqlx::Error::Encode(error.into()))?)
                }
            }
            .map_err(sqlx::Error::Encode)?;
        }
        Ok(sqlx::query_with(AssertSqlSafe(self.text), arguments))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_identifies_a_person_is_not_shown() {
        let mut sql = Statement::default();
        sql.bind(Value::Hidden(Hidden(vec!["ann@mail.example".into()])));
        assert!(!format!("{sql:?}").contains("ann"));
    }

    #[test]
    fn clocks_count_from_the_year_2000() {
        for (kind, text, number) in [
            (ClockKind::Date, "2000-01-01", 0),
            (ClockKind::Date, "1999-12-31", -1),
            (ClockKind::Date, "2026-11-23", 9823),
            (
                ClockKind::Timestamp,
                "2000-01-01T00:00:01.000002",
                1_000_002,
            ),
            (ClockKind::Timestamp, "1999-12-31T23:59:59.999999", -1),
            (ClockKind::Timestamptz, "2000-01-01T00:00:00Z", 0),
            (
                ClockKind::Timestamptz,
                "0001-01-01T00:00:00Z",
                -63_082_281_600_000_000,
            ),
        ] {
            let clock = Clock::parse(kind, text).unwrap();
            assert_eq!(clock.1, number, "{text}");
        }
        assert!(Clock::parse(ClockKind::Date, "infinity").is_err());
    }
}
