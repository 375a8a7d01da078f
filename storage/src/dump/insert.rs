//! Rows of a dump into their table, many with one statement.

use serde_json::Value;
use sqlx::AnyConnection;

use super::Error;
use super::schema::{self, Kind, Table};

/// Values in one statement. PostgreSQL takes 65,535, SQLite 32,766.
const VALUES_MAX: usize = 2_000;

/// Bytes of text in one statement: a video's subtitles alone may have a megabyte a row.
const TEXT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Rows that wait for being inserted into one table.
pub(super) struct Batch {
    table: Table,
    rows_max: usize,
    rows: Vec<Vec<Value>>,
    text_bytes: usize,
}

impl Batch {
    pub(super) fn new(table: Table) -> Self {
        Self {
            rows_max: (VALUES_MAX / table.columns.len().max(1)).max(1),
            rows: Vec::new(),
            text_bytes: 0,
            table,
        }
    }

    /// Takes a row; `Err` with what is wrong with it, where a value is not of its column's kind.
    pub(super) fn push(&mut self, row: Vec<Value>) -> Result<(), String> {
        for (column, value) in self.table.columns.iter().zip(&row) {
            let fits = match column.kind {
                Kind::Text => value.is_string(),
                Kind::Integer => value.is_i64(),
            };
            if !fits && !value.is_null() {
                return Err(format!("a value of {} is of the wrong kind", column.name));
            }
        }
        let texts = row.iter().filter_map(Value::as_str);
        self.text_bytes += texts.map(str::len).sum::<usize>();
        self.rows.push(row);
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= self.rows_max || self.text_bytes >= TEXT_BYTES_MAX
    }

    /// Inserts what waits.
    pub(super) async fn insert(&mut self, connection: &mut AnyConnection) -> Result<(), Error> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut statement = format!(
            "INSERT INTO {} ({}) VALUES ",
            schema::quoted(&self.table.name),
            self.table.column_list()
        );
        self.text_bytes = 0;
        let columns = self.table.columns.len();
        for row in 0..self.rows.len() {
            statement.push_str(if row == 0 { "(" } else { ", (" });
            for column in 0..columns {
                let comma = if column == 0 { "" } else { ", " };
                statement.push_str(&format!("{comma}${}", row * columns + column + 1));
            }
            statement.push(')');
        }
        let mut query = sqlx::query(sqlx::AssertSqlSafe(statement));
        for row in self.rows.drain(..) {
            for (column, value) in self.table.columns.iter().zip(row) {
                query = match (column.kind, value) {
                    (Kind::Text, Value::String(text)) => query.bind(Some(text)),
                    (Kind::Text, _) => query.bind(None::<String>),
                    (Kind::Integer, value) => query.bind(value.as_i64()),
                };
            }
        }
        query.execute(connection).await?;
        Ok(())
    }
}
