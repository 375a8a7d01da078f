//! The lines of a dump:
//!
//! ```text
//! {"format":"millrace-dump-1","tables_version":2,"millrace":"0.1.0"}
//! {"table":"streams","columns":["id","title",…]}
//! ["k3v…","Harbour camera",…]
//! …
//! {"rows":[["streams",12],…],"sha256":"…"}
//! ```
//!
//! A table's line stands before its rows, and tables before those that refer to them. A row's values
//! are in the order of the columns: texts, whole numbers or null. The last line says how many rows
//! there are, and SHA-256 over everything before it: without that line, or with any other byte
//! before it, a dump is refused.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// What the first line names.
const FORMAT: &str = "millrace-dump-1";

/// The longest line: a row has some kilobytes, of which the longest texts are descriptions.
const LINE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Why a text is no dump, or not the whole of one.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDump {
    /// Its first line is another one.
    #[error("this is no dump of a millrace database")]
    Foreign,
    /// It has no end.
    #[error("the dump is not whole: it ends after line {line}")]
    Truncated {
        /// The last line that is there.
        line: u64,
    },
    /// A line that a dump does not have in this place.
    #[error("the dump is damaged at line {line}: {what}")]
    Damaged {
        /// Its number, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    format: String,
    tables_version: i64,
    millrace: String,
}

/// The line before a table's rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableHead {
    pub(super) table: String,
    pub(super) columns: Vec<String>,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tail {
    rows: Vec<(String, u64)>,
    sha256: String,
}

/// A whole dump, as its first and last line describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    /// The newest migration that the database had.
    pub tables_version: i64,
    /// The version of millrace that wrote it.
    pub millrace: String,
    /// Its tables in their order.
    pub tables: Vec<TableRows>,
}

/// How many rows a table has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRows {
    /// The table's name.
    pub table: String,
    /// Its rows.
    pub rows: u64,
}

/// One line of a dump.
#[derive(Debug)]
pub(super) enum Line {
    Table(TableHead),
    Row(Vec<Value>),
    /// Nothing stands after it.
    End,
}

/// Writes the lines.
pub(super) struct Writer<W> {
    out: W,
    digest: Sha256,
    dump: Dump,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(out: W, tables_version: i64) -> io::Result<Self> {
        let millrace = env!("CARGO_PKG_VERSION").to_owned();
        let mut writer = Self {
            out,
            digest: Sha256::new(),
            dump: Dump {
                tables_version,
                millrace: millrace.clone(),
                tables: Vec::new(),
            },
        };
        writer.line(&Head {
            format: FORMAT.to_owned(),
            tables_version,
            millrace,
        })?;
        Ok(writer)
    }

    pub(super) fn table(&mut self, head: &TableHead) -> io::Result<()> {
        self.dump.tables.push(TableRows {
            table: head.table.clone(),
            rows: 0,
        });
        self.line(head)
    }

    /// A row of the last table.
    pub(super) fn row(&mut self, values: &[Value]) -> io::Result<()> {
        let table = self.dump.tables.last_mut();
        table.expect("rows stand after their table's line").rows += 1;
        self.line(&values)
    }

    pub(super) fn end(mut self) -> io::Result<Dump> {
        let tables = self.dump.tables.iter();
        let tail = Tail {
            rows: tables
                .map(|table| (table.table.clone(), table.rows))
                .collect(),
            sha256: hex(self.digest.clone()),
        };
        self.line(&tail)?;
        self.out.flush()?;
        Ok(self.dump)
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.digest.update(&line);
        self.out.write_all(&line)
    }
}

/// Reads the lines and holds them against the last one.
pub(super) struct Reader<R> {
    lines: R,
    line: u64,
    digest: Sha256,
    dump: Dump,
    columns: usize,
}

impl<R: BufRead> Reader<R> {
    pub(super) fn new(lines: R) -> Result<Self, super::Error> {
        let mut reader = Self {
            lines,
            line: 0,
            digest: Sha256::new(),
            dump: Dump {
                tables_version: 0,
                millrace: String::new(),
                tables: Vec::new(),
            },
            columns: 0,
        };
        let first = reader.bytes()?;
        let head: Head = serde_json::from_slice(&first).map_err(|_| InvalidDump::Foreign)?;
        if head.format != FORMAT {
            return Err(InvalidDump::Foreign.into());
        }
        reader.digest.update(&first);
        reader.dump.tables_version = head.tables_version;
        reader.dump.millrace = head.millrace;
        Ok(reader)
    }

    /// The newest migration that the database had.
    pub(super) fn tables_version(&self) -> i64 {
        self.dump.tables_version
    }

    /// The next line. [`Line::End`] only where everything before it is whole.
    pub(super) fn next(&mut self) -> Result<Line, super::Error> {
        let bytes = self.bytes()?;
        let line = match serde_json::from_slice(&bytes) {
            Ok(Value::Array(values)) => Line::Row(values),
            Ok(value) if value.get("table").is_some() => {
                Line::Table(serde_json::from_value(value).map_err(|error| self.damaged(error))?)
            }
            Ok(value) => {
                let tail = serde_json::from_value(value).map_err(|error| self.damaged(error))?;
                self.check_end(&tail)?;
                return Ok(Line::End);
            }
            Err(error) => return Err(self.damaged(error).into()),
        };
        match &line {
            Line::Table(head) => {
                self.columns = head.columns.len();
                self.dump.tables.push(TableRows {
                    table: head.table.clone(),
                    rows: 0,
                });
            }
            Line::Row(values) if values.len() != self.columns => {
                let what = format!("{} values for {} columns", values.len(), self.columns);
                return Err(self.damaged(what).into());
            }
            Line::Row(_) => match self.dump.tables.last_mut() {
                Some(table) => table.rows += 1,
                None => return Err(self.damaged("a row without a table").into()),
            },
            Line::End => {}
        }
        self.digest.update(&bytes);
        Ok(line)
    }

    /// Reads everything to the end.
    pub(super) fn check(mut self) -> Result<Dump, super::Error> {
        while !matches!(self.next()?, Line::End) {}
        Ok(self.dump)
    }

    /// What is wrong with the line that was read last.
    pub(super) fn damaged(&self, what: impl ToString) -> InvalidDump {
        InvalidDump::Damaged {
            line: self.line,
            what: what.to_string(),
        }
    }

    fn check_end(&mut self, tail: &Tail) -> Result<(), super::Error> {
        let counted = self.dump.tables.iter();
        let counted: Vec<_> = counted
            .map(|table| (table.table.clone(), table.rows))
            .collect();
        if tail.rows != counted {
            return Err(self.damaged("it counts other rows than there are").into());
        }
        if tail.sha256 != hex(self.digest.clone()) {
            let what = "the lines before it are not those that were written";
            return Err(self.damaged(what).into());
        }
        match self.lines.fill_buf()?.is_empty() {
            true => Ok(()),
            false => Err(self.damaged("something stands after the end").into()),
        }
    }

    /// The next line with its end.
    fn bytes(&mut self) -> Result<Vec<u8>, super::Error> {
        let mut bytes = Vec::new();
        let mut limited = io::Read::take(&mut self.lines, LINE_BYTES_MAX);
        limited.read_until(b'\n', &mut bytes)?;
        if bytes.last() != Some(&b'\n') {
            return Err(match (self.line, bytes.len() as u64) {
                (0, _) => InvalidDump::Foreign,
                (line, LINE_BYTES_MAX) => InvalidDump::Damaged {
                    line: line + 1,
                    what: format!("it is longer than {LINE_BYTES_MAX} bytes"),
                },
                (line, _) => InvalidDump::Truncated { line },
            }
            .into());
        }
        self.line += 1;
        Ok(bytes)
    }
}

fn hex(digest: Sha256) -> String {
    let bytes = digest.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
