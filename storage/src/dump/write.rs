//! From the database to a dump.

use std::io::Write;

use futures_util::TryStreamExt;
use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::format::{Dump, TableHead, Writer};
use super::schema::{self, Kind, Table};
use super::{Error, newest_version};
use crate::Database;
use crate::database::Dialect;

impl Database {
    /// Writes all rows to `out` as they are at one moment; others may write meanwhile. The tables
    /// may be of an earlier version, and stay so. Blocks on `out`.
    pub async fn dump(&self, out: impl Write) -> Result<Dump, Error> {
        let mut transaction = match self.dialect() {
            // Sees what was there at its first statement: that is what WAL is for.
            Dialect::Sqlite => self.pool().begin().await?,
            Dialect::Postgres => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                let mut transaction = self.pool().begin_with(begin).await?;
                // A large table takes its time.
                sqlx::raw_sql("SET LOCAL statement_timeout = 0")
                    .execute(&mut *transaction)
                    .await?;
                transaction
            }
        };
        let version = tables_version(&mut transaction, self.dialect()).await?;
        let mut writer = Writer::new(out, version)?;
        for table in schema::tables(version).await? {
            dump_table(&mut transaction, &table, &mut writer).await?;
        }
        transaction.rollback().await?;
        Ok(writer.end()?)
    }
}

/// The newest migration that the database has.
async fn tables_version(
    transaction: &mut Transaction<'static, Any>,
    dialect: Dialect,
) -> Result<i64, Error> {
    // Asked first: on PostgreSQL a statement that fails would end the transaction.
    let is_there = match dialect {
        Dialect::Sqlite => "SELECT 1 FROM sqlite_master WHERE name = '_sqlx_migrations'",
        Dialect::Postgres => "SELECT 1 WHERE to_regclass('_sqlx_migrations') IS NOT NULL",
    };
    let is_there = sqlx::query(is_there).fetch_optional(&mut **transaction);
    if is_there.await?.is_none() {
        return Err(Error::NoTables);
    }
    let newest = sqlx::query("SELECT MAX(version) FROM _sqlx_migrations WHERE success")
        .fetch_one(&mut **transaction)
        .await?;
    let (newest, known) = (newest.try_get::<Option<i64>, _>(0)?, newest_version());
    match newest {
        None => Err(Error::NoTables),
        Some(database) if database > known => Err(Error::NewerTables { database, known }),
        Some(database) => Ok(database),
    }
}

async fn dump_table(
    transaction: &mut Transaction<'static, Any>,
    table: &Table,
    writer: &mut Writer<impl Write>,
) -> Result<(), Error> {
    let columns = table.columns.iter();
    writer.table(&TableHead {
        table: table.name.clone(),
        columns: columns.map(|column| column.name.clone()).collect(),
    })?;
    let statement = format!(
        "SELECT {} FROM {}",
        table.column_list(),
        schema::quoted(&table.name)
    );
    let mut rows = sqlx::query(sqlx::AssertSqlSafe(statement)).fetch(&mut **transaction);
    while let Some(row) = rows.try_next().await? {
        writer.row(&values(&row, table)?)?;
    }
    Ok(())
}

fn values(row: &AnyRow, table: &Table) -> Result<Vec<Value>, sqlx::Error> {
    let columns = table.columns.iter().enumerate();
    let values = columns.map(|(index, column)| match column.kind {
        Kind::Text => row.try_get::<Option<String>, _>(index).map(Value::from),
        Kind::Integer => row.try_get::<Option<i64>, _>(index).map(Value::from),
    });
    values.collect()
}
