//! Lists, a page at a time: filtered, sorted by one column and then by id, and taken up behind the
//! last row that was seen, so that nothing is missed or repeated while rows come and go.
//!
//! The SQL is portable (SQLite, PostgreSQL). Texts are compared by the database's own collation,
//! which is the same from page to page.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sqlx::any::AnyRow;
use sqlx::{AnyPool, AssertSqlSafe, Row};

/// The most rows of a page.
pub const PAGE_MAX: u32 = 500;

/// The longest cursor that is looked at: of the longest text that anything is sorted by.
const CURSOR_CHARS_MAX: usize = 2048;

/// Which rows of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paging {
    /// How many at most; no more than [`PAGE_MAX`] are returned.
    pub limit: u32,
    /// Behind which row; from the beginning where it is `None`.
    pub after: Option<Cursor>,
}

/// Some rows of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// In the list's order.
    pub items: Vec<T>,
    /// Where it goes on; `None` at the end.
    pub next: Option<Cursor>,
}

/// A place in a list, opaque to callers: the order, and the last row's id and value in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    order: String,
    id: String,
    key: String,
}

/// A text that is no place in this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no cursor of this list in this order; list from the beginning")]
pub struct InvalidCursor;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}\n{}\n{}", self.order, self.id, self.key);
        f.write_str(&URL_SAFE_NO_PAD.encode(text))
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        if text.len() > CURSOR_CHARS_MAX {
            return Err(InvalidCursor);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCursor)?;
        let text = String::from_utf8(bytes).map_err(|_| InvalidCursor)?;
        // PostgreSQL's texts have no U+0000.
        if text.contains('\0') {
            return Err(InvalidCursor);
        }
        let mut parts = text.splitn(3, '\n').map(str::to_owned);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(order), Some(id), Some(key)) => Ok(Self { order, id, key }),
            _ => Err(InvalidCursor),
        }
    }
}

/// By what a list is sorted: a column that the list selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) column: Column,
    pub(crate) descending: bool,
}

/// The order of a list that is sorted by when its rows were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByTime {
    /// Those that were made last come first.
    Newest,
    /// Those that were made first come first.
    Oldest,
}

impl ByTime {
    /// By `column`, which is a time.
    pub(crate) fn order(self, column: &'static str) -> Order {
        Order {
            column: Column::Number(column),
            descending: self == Self::Newest,
        }
    }
}

/// A column by its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// BIGINT.
    Number(&'static str),
    /// TEXT.
    Text(&'static str),
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Number(name) | Self::Text(name) => name,
        }
    }
}

impl Order {
    /// Names it in a cursor.
    fn tag(self) -> String {
        let sign = if self.descending { "-" } else { "" };
        format!("{sign}{}", self.column.name())
    }

    fn cursor(self, row: &AnyRow) -> Result<Cursor, sqlx::Error> {
        Ok(Cursor {
            order: self.tag(),
            id: row.try_get("id")?,
            key: match self.column {
                Column::Number(name) => row.try_get::<i64, _>(name)?.to_string(),
                Column::Text(name) => row.try_get(name)?,
            },
        })
    }

    /// The value of a cursor, if it is one of this order.
    fn key(self, cursor: &Cursor) -> Result<Value, InvalidCursor> {
        if cursor.order != self.tag() {
            return Err(InvalidCursor);
        }
        match self.column {
            Column::Number(_) => cursor.key.parse().map(Value::Number).or(Err(InvalidCursor)),
            Column::Text(_) => Ok(Value::Text(cursor.key.clone())),
        }
    }
}

/// What a column is compared to.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Number(i64),
    Text(String),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A list's query while it is put together: `SELECT … FROM …` and conditions, whose values are
/// bound and never part of the text.
#[derive(Debug)]
pub(crate) struct Select {
    sql: &'static str,
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Select {
    /// `sql` selects at least `id` and the column of the order, and has no conditions yet.
    pub(crate) fn new(sql: &'static str) -> Self {
        Self {
            sql,
            conditions: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Only rows whose `column` is `value`, where one is given.
    pub(crate) fn only(self, column: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.either([(column, value.into())]),
            None => self,
        }
    }

    /// Only rows of which one of the columns has its value.
    pub(crate) fn either(
        mut self,
        columns: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Self {
        let columns = columns.into_iter();
        let either: Vec<String> = columns
            .map(|(column, value)| format!("{column} = {}", self.bind(value)))
            .collect();
        self.conditions.push(format!("({})", either.join(" OR ")));
        self
    }

    /// Only rows whose `column` is one of `values`, or none of them.
    pub(crate) fn among<'a>(
        mut self,
        column: &'static str,
        values: impl Iterator<Item = &'a str>,
        is_one: bool,
    ) -> Self {
        let places: Vec<String> = values.map(|value| self.bind(value.into())).collect();
        self.conditions.push(match (places.is_empty(), is_one) {
            (false, true) => format!("{column} IN ({})", places.join(", ")),
            (false, false) => format!("{column} NOT IN ({})", places.join(", ")),
            // No dialect has an empty list.
            (true, true) => "1 = 0".to_owned(),
            (true, false) => "1 = 1".to_owned(),
        });
        self
    }

    /// Only rows for which `condition` holds, where a value is given: it stands wherever the
    /// condition has `{}`.
    pub(crate) fn holding(mut self, condition: &'static str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            let place = self.bind(Value::Text(value.to_owned()));
            self.conditions.push(condition.replace("{}", &place));
        }
        self
    }

    /// Only rows for which `condition` holds.
    pub(crate) fn always(mut self, condition: &'static str) -> Self {
        self.conditions.push(condition.to_owned());
        self
    }

    /// Only rows of which one of `columns` has `text` in it, where one is given. Both are in lowercase:
    /// the databases do not agree on whether case matters.
    pub(crate) fn containing(mut self, columns: &[&'static str], text: Option<&str>) -> Self {
        if let Some(text) = text {
            let place = self.bind(Value::Text(format!("%{}%", escaped(text))));
            let either: Vec<String> = columns
                .iter()
                .map(|column| format!("{column} LIKE {place} ESCAPE '!'"))
                .collect();
            self.conditions.push(format!("({})", either.join(" OR ")));
        }
        self
    }

    /// The rows of one page, each read by `read`.
    pub(crate) async fn page<T, E: From<sqlx::Error> + From<InvalidCursor>>(
        mut self,
        pool: &AnyPool,
        order: Order,
        paging: &Paging,
        read: impl Fn(&AnyRow) -> Result<T, E>,
    ) -> Result<Page<T>, E> {
        let column = order.column.name();
        let (direction, beyond) = match order.descending {
            true => ("DESC", "<"),
            false => ("ASC", ">"),
        };
        if let Some(cursor) = &paging.after {
            let key = self.bind(order.key(cursor)?);
            let id = self.bind(Value::Text(cursor.id.clone()));
            self.conditions
                .push(format!("({column}, id) {beyond} ({key}, {id})"));
        }
        let limit = paging.limit.min(PAGE_MAX);
        // One more, to see whether there is one.
        let place = self.bind(Value::Number(i64::from(limit) + 1));
        let sql = format!(
            "{}{}{} ORDER BY {column} {direction}, id {direction} LIMIT {place}",
            self.sql,
            if self.conditions.is_empty() {
                ""
            } else {
                " WHERE "
            },
            self.conditions.join(" AND "),
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for value in self.values {
            query = match value {
                Value::Number(number) => query.bind(number),
                Value::Text(text) => query.bind(text),
            };
        }
        let mut rows = query.fetch_all(pool).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        Ok(Page {
            next: match rows.last() {
                Some(last) if more => Some(order.cursor(last)?),
                _ => None,
            },
            items: rows.iter().map(read).collect::<Result<_, _>>()?,
        })
    }

    /// The place of a value in the text.
    fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }
}

/// `text` as it stands in a LIKE pattern whose escape character is `!`.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '!' | '%' | '_') {
            pattern.push('!');
        }
        pattern.push(character);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        let cursor = Cursor {
            order: "-created_at_ms".to_owned(),
            id: "k3f9".to_owned(),
            key: "two\nlines ß".to_owned(),
        };
        let text = cursor.to_string();
        assert!(
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
        assert_eq!(text.parse(), Ok(cursor));
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let long = "A".repeat(CURSOR_CHARS_MAX + 1);
        let null = URL_SAFE_NO_PAD.encode("a\nb\n\0");
        for text in ["", "YQ", "=", "a b", "_____w", &long, &null] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text:?}");
        }
    }

    #[test]
    fn a_cursor_of_another_order_or_kind_is_refused() {
        let cursor = |order: &str, key: &str| Cursor {
            order: order.to_owned(),
            id: "a".to_owned(),
            key: key.to_owned(),
        };
        let order = Order {
            column: Column::Number("at_ms"),
            descending: true,
        };
        assert!(order.key(&cursor("-at_ms", "-5")).is_ok());
        for wrong in [
            cursor("at_ms", "5"),
            cursor("-name", "5"),
            cursor("-at_ms", "x"),
        ] {
            assert!(order.key(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn patterns_are_taken_literally() {
        assert_eq!(escaped("50%_a!b\\"), "50!%!_a!!b\\");
    }
}
