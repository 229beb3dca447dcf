//! The tables: each is declared once, in its own file, with the name, type and meaning of every column.
//!
//! A declaration generates a [`Table`] (for schemas, docs and readers), a `Row` (filled by [`crate::api`]) and a `Builder` (which
//! gathers rows for a commit). Every table ends with the provenance columns: pass, walk, page and time of the answer.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringBuilder, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub mod choice;
pub mod column;
pub mod dropped;
pub mod snapshot;
pub mod unknown;

/// A table's declaration.
#[derive(Debug)]
pub struct Table {
    /// Its name: the folder of its parts, the stem of its snapshot file.
    pub name: &'static str,
    /// One sentence about its rows.
    pub doc: &'static str,
    /// The columns that identify a row within one page.
    pub key: &'static [&'static str],
    /// The table whose rows own these, and the columns that refer to them; `None` if no table does.
    pub parent: Option<(&'static str, &'static [&'static str])>,
    columns: fn() -> Vec<Column>,
}

/// One column of a [`Table`].
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its meaning and unit.
    pub doc: &'static str,
    /// Its Arrow type.
    pub data_type: DataType,
    /// True if a row may lack a value.
    pub nullable: bool,
    /// True if its values repeat often enough for a dictionary to save space.
    pub dictionary: bool,
}

/// The answer that a row came from.
#[derive(Debug, Clone, Copy)]
pub struct Provenance<'a> {
    /// The pass, counted from 1.
    pub pass: i64,
    /// The walk's name, unique within the pass.
    pub walk: &'a str,
    /// The page's number within the walk, counted from 1.
    pub page: i64,
    /// The arrival of the answer, in milliseconds since 1970-01-01T00:00:00Z.
    pub fetched_at: i64,
}

/// Columns, beside counters, that may differ although the thing did not change.
const PASSING: &[&str] = &["rating", "position", "index", "extra", "pass", "walk", "page", "fetched_at"];

impl Table {
    /// Returns every column in the order of the files, provenance last.
    pub fn columns(&self) -> Vec<Column> {
        (self.columns)()
    }

    /// Returns the columns that describe the thing itself: no counters, no place in a list, no provenance.
    pub fn substance(&self) -> Vec<Column> {
        let passing = |name: &str| name.ends_with("_count") || PASSING.contains(&name);
        self.columns().into_iter().filter(|column| !passing(column.name)).collect()
    }

    /// Returns the Arrow schema of the table's files.
    pub fn schema(&self) -> SchemaRef {
        let field = |c: Column| Field::new(c.name, c.data_type, c.nullable);
        Arc::new(Schema::new(self.columns().into_iter().map(field).collect::<Vec<_>>()))
    }
}

impl PartialEq for Table {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Table {}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for &'static Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let unknown = || format!("it names the table `{}`, which this version does not know", name.escape_debug());
        named(&name).ok_or_else(|| Error::custom(unknown()))
    }
}

/// Declares a table: its name, key, parent and columns; the provenance columns are added.
macro_rules! table {
    (
        $(#[doc = $doc:literal])*
        $name:literal, key [$($key:literal),*] $(, of $parent:literal by [$($link:literal),*])?;
        $($column:ident: $kind:ident, $about:literal;)*
    ) => {
        /// The declaration.
        pub static TABLE: $crate::table::Table = $crate::table::Table {
            name: $name,
            doc: concat!($($doc),*).trim_ascii(),
            key: &[$($key),*],
            parent: $crate::table::parent!($($parent, [$($link),*])?),
            columns: || vec![
                $($crate::table::describe::<$crate::table::column::$kind>(stringify!($column), $about),)*
                $crate::table::describe::<$crate::table::column::Id>(
                    "pass", "The pass this row was seen in, counted from 1."),
                $crate::table::describe::<$crate::table::column::Name>(
                    "walk", "The walk that saw it, unique within the pass."),
                $crate::table::describe::<$crate::table::column::Id>(
                    "page", "The page of that walk, counted from 1."),
                $crate::table::describe::<$crate::table::column::Time>(
                    "fetched_at", "When that page arrived."),
            ],
        };

        $(#[doc = $doc])*
        pub struct Row<'a> {
            $(#[doc = $about] pub $column: <$crate::table::column::$kind as $crate::table::column::ColumnKind>::Value<'a>,)*
            /// Its provenance.
            pub at: &'a $crate::table::Provenance<'a>,
        }

        /// Gathers rows of this table.
        #[derive(Debug, Default)]
        pub struct Builder {
            rows: usize,
            $($column: <$crate::table::column::$kind as $crate::table::column::ColumnKind>::Builder,)*
            provenance: $crate::table::ProvenanceBuilder,
        }

        impl Builder {
            /// Appends one row.
            pub fn push(&mut self, row: Row<'_>) {
                use $crate::table::column::ColumnKind as _;
                $($crate::table::column::$kind::append(&mut self.$column, row.$column);)*
                self.provenance.push(row.at);
                self.rows += 1;
            }
        }

        impl $crate::table::TableBuilder for Builder {
            fn table(&self) -> &'static $crate::table::Table {
                &TABLE
            }
            fn rows(&self) -> usize {
                self.rows
            }
            fn bytes(&self) -> usize {
                use $crate::table::column::ColumnKind as _;
                self.provenance.bytes() $(+ $crate::table::column::$kind::bytes(&self.$column))*
            }
            fn finish(&mut self) -> Result<arrow::array::RecordBatch, arrow::error::ArrowError> {
                use $crate::table::column::ColumnKind as _;
                self.rows = 0;
                let mut columns = vec![$($crate::table::column::$kind::finish(&mut self.$column),)*];
                columns.extend(self.provenance.finish());
                arrow::array::RecordBatch::try_new(TABLE.schema(), columns)
            }
        }
    };
}

/// The `parent` of a declaration.
macro_rules! parent {
    () => {
        None
    };
    ($parent:literal, [$($link:literal),*]) => {
        Some(($parent, &[$($link),*]))
    };
}
use parent;

/// Declares [`Tables`] and [`ALL`] from the list of tables: a new table is one file and one word here.
macro_rules! tables {
    ($($name:ident),* $(,)?) => {
        $(pub mod $name;)*

        /// Every table, in the order of the schema's documentation.
        pub static ALL: &[&Table] = &[$(&$name::TABLE),*];

        /// The rows of all tables gathered since the last commit.
        #[derive(Debug, Default)]
        pub struct Tables {
            $(#[doc = concat!("Rows of `", stringify!($name), "`.")] pub $name: $name::Builder,)*
            /// Keys of the current page that no column has.
            pub unknown: unknown::Unknown,
        }

        impl Tables {
            /// Returns every table's builder.
            pub fn builders(&self) -> [&dyn TableBuilder; ALL.len()] {
                [$(&self.$name),*]
            }

            /// Returns every table's builder, to append to or finish it.
            pub fn builders_mut(&mut self) -> [&mut dyn TableBuilder; ALL.len()] {
                [$(&mut self.$name),*]
            }
        }
    };
}

tables![
    models,
    model_tags,
    model_versions,
    version_files,
    file_hashes,
    version_images,
    images,
    image_meta,
    image_resources,
    image_model_versions,
    image_tags,
    gallery_images,
    creators,
    tags,
    posts,
    post_tags,
    post_images,
    users,
    enums,
    pages,
    rejects,
];

impl Tables {
    /// Returns the number of rows gathered in all tables.
    pub fn rows(&self) -> usize {
        self.builders().iter().map(|b| b.rows()).sum()
    }

    /// Returns the bytes gathered in all tables.
    pub fn bytes(&self) -> usize {
        self.builders().iter().map(|b| b.bytes()).sum()
    }
}

/// The builder of any table.
pub trait TableBuilder {
    /// Returns the table of the rows.
    fn table(&self) -> &'static Table;
    /// Returns the number of rows gathered.
    fn rows(&self) -> usize;
    /// Returns the bytes gathered.
    fn bytes(&self) -> usize;
    /// Returns the rows in the order they were appended and leaves the builder empty.
    ///
    /// # Errors
    /// If the columns do not fit the declared schema, which would be a bug of the declaration.
    fn finish(&mut self) -> Result<RecordBatch, arrow::error::ArrowError>;
}

/// Returns the table of this name.
pub fn named(name: &str) -> Option<&'static Table> {
    ALL.iter().copied().find(|table| table.name == name)
}

fn describe<K: column::ColumnKind>(name: &'static str, doc: &'static str) -> Column {
    Column {
        name: name.strip_prefix("r#").unwrap_or(name),
        doc,
        data_type: K::data_type(),
        nullable: K::NULLABLE,
        dictionary: K::DICTIONARY,
    }
}

/// Gathers the provenance columns of one table, stored once per page.
#[derive(Debug, Default)]
struct ProvenanceBuilder {
    spans: Vec<Span>,
    bytes: usize,
}

/// Consecutive rows from one answer.
#[derive(Debug)]
struct Span {
    pass: i64,
    walk: String,
    page: i64,
    fetched_at: i64,
    rows: usize,
}

impl ProvenanceBuilder {
    fn push(&mut self, at: &Provenance<'_>) {
        // Three numbers, and the walk's name with its offset.
        self.bytes += 3 * 8 + 4 + at.walk.len();
        match self.spans.last_mut() {
            Some(span) if span.is_of(at) => span.rows += 1,
            _ => {
                let Provenance { pass, walk, page, fetched_at } = *at;
                self.spans.push(Span { pass, walk: walk.to_owned(), page, fetched_at, rows: 1 });
            }
        }
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn finish(&mut self) -> [ArrayRef; 4] {
        let Self { spans, .. } = std::mem::take(self);
        let numbers = |of: fn(&Span) -> i64| -> Vec<i64> {
            spans.iter().flat_map(|span| std::iter::repeat_n(of(span), span.rows)).collect()
        };
        let mut walks = StringBuilder::new();
        spans.iter().for_each(|span| walks.append_value_n(&span.walk, span.rows));
        [
            Arc::new(Int64Array::from(numbers(|span| span.pass))),
            Arc::new(walks.finish()),
            Arc::new(Int64Array::from(numbers(|span| span.page))),
            Arc::new(TimestampMillisecondArray::from(numbers(|span| span.fetched_at)).with_timezone("UTC")),
        ]
    }
}

impl Span {
    fn is_of(&self, at: &Provenance<'_>) -> bool {
        (self.pass, &*self.walk, self.page, self.fetched_at) == (at.pass, at.walk, at.page, at.fetched_at)
    }
}
