//! The kinds of columns: each maps a Rust value to an Arrow builder and a Parquet type.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BinaryBuilder, BooleanBuilder, Float64Builder, Int64Builder, ListBuilder, StringBuilder,
    TimestampMillisecondBuilder,
};
use arrow::datatypes::{DataType, Field, TimeUnit};

/// A kind of column, implemented by the marker types below that table declarations use.
pub trait ColumnKind {
    /// The value of one row.
    type Value<'a>;
    /// The Arrow builder of the values.
    type Builder: Default + std::fmt::Debug + Send;
    /// The Arrow type.
    fn data_type() -> DataType;
    /// True if a row may lack a value.
    const NULLABLE: bool = true;
    /// True if values repeat often enough for a dictionary to save space.
    const DICTIONARY: bool = true;
    /// Appends one value.
    fn append<'a>(builder: &mut Self::Builder, value: Self::Value<'a>);
    /// Returns the column and leaves the builder empty, with room for about as many values: growing would copy them repeatedly.
    fn finish(builder: &mut Self::Builder) -> ArrayRef;
    /// Returns the bytes of the values appended so far.
    fn bytes(builder: &Self::Builder) -> usize;
}

/// Returns the capacity of the next builder: a little more than the last one needed.
fn next_capacity(was: usize) -> usize {
    was + was / 8
}

macro_rules! primitive {
    ($(#[$doc:meta])* $name:ident, $value:ty, $builder:ty, $type:expr, $width:expr, $append:ident,
     nullable $nullable:expr, dictionary $dictionary:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;
        impl ColumnKind for $name {
            type Value<'a> = $value;
            type Builder = $builder;
            const NULLABLE: bool = $nullable;
            const DICTIONARY: bool = $dictionary;
            fn data_type() -> DataType {
                $type
            }
            fn append(builder: &mut $builder, value: $value) {
                builder.$append(value);
            }
            fn finish(builder: &mut $builder) -> ArrayRef {
                let next = <$builder>::with_capacity(next_capacity(builder.len()));
                Arc::new(std::mem::replace(builder, next).finish())
            }
            fn bytes(builder: &$builder) -> usize {
                builder.len() * $width
            }
        }
    };
}

primitive!(
    /// An id or position; never null.
    Id, i64, Int64Builder, DataType::Int64, 8, append_value, nullable false, dictionary false
);
primitive!(
    /// An id; may be null.
    Link, Option<i64>, Int64Builder, DataType::Int64, 8, append_option, nullable true, dictionary false
);
primitive!(
    /// A counter, size or other whole number; may be null.
    Int, Option<i64>, Int64Builder, DataType::Int64, 8, append_option, nullable true, dictionary true
);
primitive!(
    /// A number with a fraction; may be null.
    Float, Option<f64>, Float64Builder, DataType::Float64, 8, append_option, nullable true, dictionary false
);
primitive!(
    /// True, false or null.
    Bool, Option<bool>, BooleanBuilder, DataType::Boolean, 1, append_option, nullable true, dictionary false
);

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $value:ty, $append:ident, nullable $nullable:expr, dictionary $dictionary:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;
        impl ColumnKind for $name {
            type Value<'a> = $value;
            type Builder = StringBuilder;
            const NULLABLE: bool = $nullable;
            const DICTIONARY: bool = $dictionary;
            fn data_type() -> DataType {
                DataType::Utf8
            }
            fn append<'a>(builder: &mut StringBuilder, value: $value) {
                builder.$append(value);
            }
            fn finish(builder: &mut StringBuilder) -> ArrayRef {
                let next = StringBuilder::with_capacity(next_capacity(builder.len()), next_capacity(builder.values_slice().len()));
                Arc::new(std::mem::replace(builder, next).finish())
            }
            fn bytes(builder: &StringBuilder) -> usize {
                builder.values_slice().len() + builder.len() * 4
            }
        }
    };
}

text!(
    /// A word or short text; never null.
    Name, &'a str, append_value, nullable false, dictionary true
);
text!(
    /// A word or short text that often repeats (names, enums, states); may be null.
    Text, Option<&'a str>, append_option, nullable true, dictionary true
);
text!(
    /// A text that rarely repeats (descriptions, links, hashes, JSON); may be null.
    Long, Option<&'a str>, append_option, nullable true, dictionary false
);

/// An instant in milliseconds since 1970-01-01T00:00:00Z; may be null.
#[derive(Debug)]
pub struct Time;

/// The builder of [`Time`]: an Arrow builder with the zone UTC.
#[derive(Debug)]
pub struct TimeBuilder(TimestampMillisecondBuilder);

impl Default for TimeBuilder {
    fn default() -> Self {
        Self(TimestampMillisecondBuilder::new().with_timezone("UTC"))
    }
}

impl ColumnKind for Time {
    type Value<'a> = Option<i64>;
    type Builder = TimeBuilder;
    const DICTIONARY: bool = false;
    fn data_type() -> DataType {
        DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
    }
    fn append(builder: &mut TimeBuilder, value: Option<i64>) {
        builder.0.append_option(value);
    }
    fn finish(builder: &mut TimeBuilder) -> ArrayRef {
        let next = TimestampMillisecondBuilder::with_capacity(next_capacity(builder.0.len()));
        Arc::new(std::mem::replace(&mut builder.0, next.with_timezone("UTC")).finish())
    }
    fn bytes(builder: &TimeBuilder) -> usize {
        builder.0.len() * 8
    }
}

/// The builder of [`Texts`]: an Arrow builder whose element has the name of Parquet's specification, which strict readers expect.
#[derive(Debug)]
pub struct TextsBuilder(ListBuilder<StringBuilder>);

impl TextsBuilder {
    fn of(texts: StringBuilder, lists: usize) -> Self {
        Self(ListBuilder::with_capacity(texts, lists).with_field(element()))
    }
}

impl Default for TextsBuilder {
    fn default() -> Self {
        Self::of(StringBuilder::new(), 0)
    }
}

fn element() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Utf8, true))
}

/// A list of short texts; null if the server sent none, empty if it sent an empty one.
#[derive(Debug)]
pub struct Texts;

impl ColumnKind for Texts {
    type Value<'a> = Option<&'a [Cow<'a, str>]>;
    type Builder = TextsBuilder;
    fn data_type() -> DataType {
        DataType::List(element())
    }
    fn append(builder: &mut Self::Builder, value: Self::Value<'_>) {
        let present = value.is_some();
        for text in value.into_iter().flatten() {
            builder.0.values().append_value(text);
        }
        builder.0.append(present);
    }
    fn finish(builder: &mut Self::Builder) -> ArrayRef {
        let texts = builder.0.values_ref();
        let texts = StringBuilder::with_capacity(next_capacity(texts.len()), next_capacity(texts.values_slice().len()));
        let next = Self::Builder::of(texts, next_capacity(builder.0.len()));
        Arc::new(std::mem::replace(builder, next).0.finish())
    }
    fn bytes(builder: &Self::Builder) -> usize {
        let values = builder.0.values_ref();
        values.values_slice().len() + (values.len() + builder.0.len()) * 4
    }
}

/// Bytes as received; may be null.
#[derive(Debug)]
pub struct Bytes;

impl ColumnKind for Bytes {
    type Value<'a> = Option<&'a [u8]>;
    type Builder = BinaryBuilder;
    const DICTIONARY: bool = false;
    fn data_type() -> DataType {
        DataType::Binary
    }
    fn append(builder: &mut BinaryBuilder, value: Option<&[u8]>) {
        builder.append_option(value);
    }
    fn finish(builder: &mut BinaryBuilder) -> ArrayRef {
        let next =
            BinaryBuilder::with_capacity(next_capacity(builder.len()), next_capacity(builder.values_slice().len()));
        Arc::new(std::mem::replace(builder, next).finish())
    }
    fn bytes(builder: &BinaryBuilder) -> usize {
        builder.values_slice().len() + builder.len() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_of_elements_however_often_they_are_ended() {
        let mut builder = TextsBuilder::default();
        for text in ["a", "b"] {
            Texts::append(&mut builder, Some(&[Cow::Borrowed(text)]));
            assert_eq!(Texts::finish(&mut builder).data_type(), &Texts::data_type());
        }
        assert!(matches!(Texts::data_type(), DataType::List(field) if field.name() == "element"));
    }
}
