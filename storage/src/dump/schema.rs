//! Which tables there are, read off the migrations: they are run on an empty SQLite database in
//! memory. So no table can be forgotten, and tables of somebody else's in the same PostgreSQL
//! database are left alone.

use std::collections::BTreeSet;

use sqlx::{AnyConnection, Connection, Row};

use super::Error;
use crate::database::MIGRATIONS;

/// A table of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
}

/// A column of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// What stands in it, or null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
}

impl Table {
    /// Its columns for a statement: `"id", "title"`.
    pub(super) fn column_list(&self) -> String {
        let names = self.columns.iter();
        let quoted: Vec<_> = names.map(|column| quoted(&column.name)).collect();
        quoted.join(", ")
    }
}

/// A name as it stands in a statement: some of ours may be words of SQL's.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The newest migration.
pub(super) fn newest_version() -> i64 {
    let versions = MIGRATIONS.iter().map(|migration| migration.version);
    versions.max().unwrap_or(0)
}

/// The tables as they are after the migration `version`, each after those that it refers to.
pub(super) async fn tables(version: i64) -> Result<Vec<Table>, Error> {
    sqlx::any::install_default_drivers();
    let mut model = AnyConnection::connect("sqlite::memory:").await?;
    // As `run_to`, whose future is not `Send` for a borrowed connection.
    MIGRATIONS
        .run_direct(Some(version), &mut model, false)
        .await?;
    let mut waiting = Vec::new();
    for name in names(&mut model).await? {
        let columns = columns(&mut model, &name).await?;
        let references = references(&mut model, &name).await?;
        waiting.push((Table { name, columns }, references));
    }
    model.close().await?;
    in_order(waiting)
}

async fn names(model: &mut AnyConnection) -> Result<Vec<String>, Error> {
    let rows = sqlx::query(
        "SELECT name FROM sqlite_master WHERE type = 'table' \
         AND name <> '_sqlx_migrations' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )
    .fetch_all(model)
    .await?;
    let names = rows.iter().map(|row| row.try_get(0));
    Ok(names.collect::<Result<_, _>>()?)
}

async fn columns(model: &mut AnyConnection, table: &str) -> Result<Vec<Column>, Error> {
    let rows = sqlx::query("SELECT name, type FROM pragma_table_info($1) ORDER BY cid")
        .bind(table)
        .fetch_all(model)
        .await?;
    let columns = rows.iter().map(|row| {
        let (name, declared): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let kind = match declared.as_str() {
            "TEXT" => Kind::Text,
            "BIGINT" => Kind::Integer,
            _ => {
                return Err(Error::Schema {
                    table: table.to_owned(),
                    what: format!("{name} is {declared}, neither TEXT nor BIGINT"),
                });
            }
        };
        Ok(Column { name, kind })
    });
    columns.collect()
}

async fn references(model: &mut AnyConnection, table: &str) -> Result<BTreeSet<String>, Error> {
    let rows = sqlx::query("SELECT \"table\" FROM pragma_foreign_key_list($1)")
        .bind(table)
        .fetch_all(model)
        .await?;
    let names = rows.iter().map(|row| row.try_get(0));
    Ok(names.collect::<Result<_, _>>()?)
}

fn in_order(mut waiting: Vec<(Table, BTreeSet<String>)>) -> Result<Vec<Table>, Error> {
    let mut ordered: Vec<Table> = Vec::new();
    while !waiting.is_empty() {
        let is_ready = |references: &BTreeSet<String>| {
            let mut references = references.iter();
            references.all(|name| ordered.iter().any(|table| table.name == *name))
        };
        let ready = waiting
            .iter()
            .position(|(_, references)| is_ready(references));
        match ready {
            Some(index) => ordered.push(waiting.remove(index).0),
            None => {
                return Err(Error::Schema {
                    table: waiting.remove(0).0.name,
                    what: "tables refer to each other, or one to itself".to_owned(),
                });
            }
        }
    }
    Ok(ordered)
}
