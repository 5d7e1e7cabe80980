//! A statement that is put together: text from us and from the catalogue, values bound.

use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;
use sqlx::{Arguments as _, AssertSqlSafe};

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
    /// `bigint`
    Number(i64),
    /// `bigint[]`
    Numbers(Vec<i64>),
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
                Value::Number(number) => arguments.add(number),
                Value::Numbers(numbers) => arguments.add(numbers),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        Ok(sqlx::query_with(AssertSqlSafe(self.text), arguments))
    }
}
