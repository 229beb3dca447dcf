//! The typed columns of a batch. A column that an older file does not have reads as null in every row.

use std::fmt;

use arrow::array::{
    Array, ArrayAccessor, AsArray, BinaryArray, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch,
    StringArray, TimestampMillisecondArray,
};

use crate::table::choice::ordinal_of;

/// Reads the columns of a batch by name and type.
pub trait Columns {
    /// Returns a column of this type.
    fn typed<A: Array + 'static>(&self, name: &str) -> TypedColumn<&A>;

    /// Returns a column of texts.
    fn texts(&self, name: &str) -> TypedColumn<&StringArray> {
        self.typed(name)
    }

    /// Returns a column of whole numbers.
    fn numbers(&self, name: &str) -> TypedColumn<&Int64Array> {
        self.typed(name)
    }

    /// Returns a column of decimal numbers.
    fn decimals(&self, name: &str) -> TypedColumn<&Float64Array> {
        self.typed(name)
    }

    /// Returns a column of instants, in milliseconds since 1970.
    fn instants(&self, name: &str) -> TypedColumn<&TimestampMillisecondArray> {
        self.typed(name)
    }

    /// Returns a column of booleans.
    fn flags(&self, name: &str) -> TypedColumn<&BooleanArray> {
        self.typed(name)
    }

    /// Returns a column of bytes.
    fn bytes(&self, name: &str) -> TypedColumn<&BinaryArray> {
        self.typed(name)
    }

    /// Returns a column of ids or names.
    fn keys(&self, name: &str) -> KeyColumn<'_> {
        KeyColumn { numbers: self.typed(name), texts: self.typed(name) }
    }

    /// Returns a column of anything that has an order among numbers.
    fn ordinals(&self, name: &str) -> OrdinalColumn<'_> {
        let (numbers, instants) = (self.typed(name), self.typed(name));
        OrdinalColumn { numbers, instants, decimals: self.typed(name), flags: self.typed(name) }
    }

    /// Calls `show` with every text in a column of lists.
    fn each_listed_text(&self, name: &str, mut show: impl FnMut(&str)) {
        for list in self.typed::<ListArray>(name).iter().flatten() {
            list.as_string_opt::<i32>().into_iter().flatten().flatten().for_each(&mut show);
        }
    }
}

impl Columns for RecordBatch {
    fn typed<A: Array + 'static>(&self, name: &str) -> TypedColumn<&A> {
        let array = self.column_by_name(name).and_then(|array| array.as_any().downcast_ref());
        TypedColumn { array, rows: self.num_rows() }
    }
}

/// A column of one type. It is all null if the batch has no such column, or one of another type.
#[derive(Debug, Clone, Copy)]
pub struct TypedColumn<A> {
    array: Option<A>,
    rows: usize,
}

impl<A: ArrayAccessor + Copy> TypedColumn<A> {
    /// Returns the column itself; `None` if the batch has none of this name and type.
    pub fn array(&self) -> Option<A> {
        self.array
    }

    /// Returns the value in a row; `None` if it is null.
    pub fn get(&self, row: usize) -> Option<A::Item> {
        self.array.filter(|array| array.is_valid(row)).map(|array| array.value(row))
    }

    /// Returns the values of all rows.
    pub fn iter(&self) -> impl Iterator<Item = Option<A::Item>> {
        (0..self.rows).map(|row| self.get(row))
    }
}

/// The value of a key column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'a> {
    /// An id.
    Number(i64),
    /// A name.
    Text(&'a str),
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// A column of whole numbers or of texts.
#[derive(Debug, Clone, Copy)]
pub struct KeyColumn<'a> {
    numbers: TypedColumn<&'a Int64Array>,
    texts: TypedColumn<&'a StringArray>,
}

impl<'a> KeyColumn<'a> {
    /// Returns the value in a row; `None` if it is null.
    pub fn get(&self, row: usize) -> Option<Key<'a>> {
        self.numbers.get(row).map(Key::Number).or_else(|| self.texts.get(row).map(Key::Text))
    }
}

/// A column of whole numbers, instants, decimal numbers or booleans.
#[derive(Debug, Clone, Copy)]
pub struct OrdinalColumn<'a> {
    numbers: TypedColumn<&'a Int64Array>,
    instants: TypedColumn<&'a TimestampMillisecondArray>,
    decimals: TypedColumn<&'a Float64Array>,
    flags: TypedColumn<&'a BooleanArray>,
}

impl OrdinalColumn<'_> {
    /// Returns the place of the value of a row among others of its type; `None` if it is null.
    pub fn get(&self, row: usize) -> Option<i64> {
        let number = self.numbers.get(row).or_else(|| self.instants.get(row));
        number.or_else(|| self.decimals.get(row).map(ordinal_of)).or_else(|| self.flags.get(row).map(i64::from))
    }
}
