//! From a dump to the database.
//!
//! The tables are dropped and made anew as they were when the dump was written; then come its rows,
//! and then the migrations since. So a dump of an earlier version is brought up to date by the same
//! steps as a database is. All of it is one transaction: both databases undo `CREATE TABLE`.

use std::io::{self, BufRead};

use sqlx::migrate::Migrate;
use sqlx::{AnyConnection, Connection, Row};

use super::format::{Dump, Line, Reader};
use super::insert::Batch;
use super::schema::{self, Table};
use super::{Error, newest_version};
use crate::Database;
use crate::database::{Dialect, MIGRATIONS};

/// Tables in which an empty database has rows: a migration put them there.
const NEVER_EMPTY: &[&str] = &["stream_revision"];

/// What may happen to what is in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Where there is anything, nothing is restored.
    Keep,
    /// It is lost.
    Replace,
}

impl Dump {
    /// Reads a dump to its end without a database: whether it is whole, and what is in it.
    pub fn check(lines: impl BufRead) -> Result<Self, Error> {
        let reader = Reader::new(lines)?;
        let (dump, known) = (reader.tables_version(), newest_version());
        match dump > known {
            true => Err(Error::Newer { dump, known }),
            false => reader.check(),
        }
    }
}

impl Database {
    /// Puts the rows of a dump in place of what is there. `open` gives the dump from its beginning,
    /// twice: it is checked to its end before anything is changed. The change is there whole or not
    /// at all. Blocks on the dump.
    pub async fn restore<R: BufRead>(
        &self,
        open: impl Fn() -> io::Result<R>,
        existing: Existing,
    ) -> Result<Dump, Error> {
        let checked = Dump::check(open()?)?;
        let current = schema::tables(newest_version()).await?;
        let then = schema::tables(checked.tables_version).await?;
        let mut connection = self.pool().acquire().await?;
        // Nobody else brings tables up to date meanwhile. On failure the lock ends with the
        // connection.
        connection.close_on_drop();
        connection.lock().await?;
        let mut transaction = match self.dialect() {
            // With the right to write from the beginning.
            Dialect::Sqlite => connection.begin_with("BEGIN IMMEDIATE").await?,
            Dialect::Postgres => {
                let mut transaction = connection.begin().await?;
                // A large table takes its time.
                sqlx::raw_sql("SET LOCAL statement_timeout = 0")
                    .execute(&mut *transaction)
                    .await?;
                transaction
            }
        };
        if existing == Existing::Keep {
            check_empty(&current, &mut transaction).await?;
        }
        let revision = revision(&mut transaction).await?;
        drop_tables(&current, &mut transaction).await?;
        MIGRATIONS
            .run_direct(Some(checked.tables_version), &mut *transaction, false)
            .await?;
        for table in then.iter().rev() {
            execute(&mut transaction, "DELETE FROM", table).await?;
        }
        insert_rows(Reader::new(open()?)?, &then, &mut transaction).await?;
        MIGRATIONS
            .run_direct(None, &mut *transaction, false)
            .await?;
        // Later than everything that a running server may have seen of either.
        sqlx::query(
            "UPDATE stream_revision \
             SET value = CASE WHEN value > $1 THEN value ELSE $1 END + 1",
        )
        .bind(revision)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        connection.unlock().await?;
        Ok(checked)
    }
}

async fn check_empty(tables: &[Table], connection: &mut AnyConnection) -> Result<(), Error> {
    let tables = tables.iter();
    for table in tables.filter(|table| !NEVER_EMPTY.contains(&table.name.as_str())) {
        let any = format!("SELECT 1 FROM {} LIMIT 1", schema::quoted(&table.name));
        let row = sqlx::query(sqlx::AssertSqlSafe(any))
            .fetch_optional(&mut *connection)
            .await?;
        if row.is_some() {
            let table = table.name.clone();
            return Err(Error::NotEmpty { table });
        }
    }
    Ok(())
}

async fn revision(connection: &mut AnyConnection) -> Result<i64, Error> {
    let row = sqlx::query("SELECT value FROM stream_revision")
        .fetch_one(connection)
        .await?;
    Ok(row.try_get(0)?)
}

async fn drop_tables(tables: &[Table], connection: &mut AnyConnection) -> Result<(), Error> {
    for table in tables.iter().rev() {
        execute(connection, "DROP TABLE", table).await?;
    }
    sqlx::raw_sql("DROP TABLE _sqlx_migrations")
        .execute(connection)
        .await?;
    Ok(())
}

async fn execute(connection: &mut AnyConnection, what: &str, table: &Table) -> Result<(), Error> {
    let statement = format!("{what} {}", schema::quoted(&table.name));
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement))
        .execute(connection)
        .await?;
    Ok(())
}

/// The dump was checked, but not against the tables of its version.
async fn insert_rows(
    mut reader: Reader<impl BufRead>,
    tables: &[Table],
    connection: &mut AnyConnection,
) -> Result<(), Error> {
    let mut missing: Vec<&Table> = tables.iter().collect();
    let mut batch: Option<Batch> = None;
    loop {
        let line = reader.next()?;
        match (line, &mut batch) {
            (Line::Row(row), Some(batch)) => {
                batch.push(row).map_err(|what| reader.damaged(what))?;
                if batch.is_full() {
                    batch.insert(connection).await?;
                }
            }
            (Line::Row(_), None) => return Err(reader.damaged("a row without a table").into()),
            (line, last) => {
                if let Some(last) = last {
                    last.insert(connection).await?;
                }
                let Line::Table(head) = line else { break };
                let place = missing.iter().position(|table| table.name == head.table);
                let place = place.ok_or_else(|| {
                    reader.damaged(format!("there is no table {} (any more)", head.table))
                })?;
                let table = missing.remove(place).clone();
                let columns = table.columns.iter().map(|column| &column.name);
                if !columns.eq(&head.columns) {
                    let what = format!("{} has other columns in this version", head.table);
                    return Err(reader.damaged(what).into());
                }
                batch = Some(Batch::new(table));
            }
        }
    }
    match missing.first() {
        Some(table) => {
            let what = format!("the table {} is missing", table.name);
            Err(reader.damaged(what).into())
        }
        None => Ok(()),
    }
}
