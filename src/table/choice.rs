//! The rows of a table that count for a fan-out: plain comparisons joined by *and*, and the largest of some column. Pure.

use std::borrow::Borrow;

/// The rows whose values a fan-out takes; all rows by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// The comparisons, all of which hold in a row that counts.
    pub conditions: Vec<Condition>,
    /// Set if only some values are taken.
    pub top: Option<Top>,
}

impl Choice {
    /// True if every row and every value counts.
    pub fn is_everything(&self) -> bool {
        self.conditions.is_empty() && self.top.is_none()
    }
}

/// `order_by` and `top`: the values with the largest of another column, each by the largest of its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Top {
    /// The column of numbers or instants.
    pub by: &'static str,
    /// The number of values.
    pub count: usize,
}

/// A comparison of one column. Null fits none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The column.
    pub column: &'static str,
    /// The values that fit.
    pub spans: Spans,
    /// The values as they are written, for records and plans.
    pub written: String,
}

/// The values that fit a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spans {
    /// Of whole numbers, and of all that has an ordinal: see [`ordinal_of`].
    Ordinals(Disjoint<i64>),
    /// Of texts, by their bytes.
    Texts(Disjoint<String>),
}

/// Spans that do not overlap, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disjoint<T>(Vec<Span<T>>);

/// The values from one to another, both included.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span<T> {
    /// The first; `None` if there is no least.
    pub from: Option<T>,
    /// The last; `None` if there is no greatest.
    pub to: Option<T>,
}

impl Condition {
    /// Returns the condition that a column of whole numbers is this one.
    pub fn equals(column: &'static str, number: i64) -> Self {
        let span = Span { from: Some(number), to: Some(number) };
        Self { column, spans: Spans::Ordinals(Disjoint::of(vec![span])), written: number.to_string() }
    }
}

impl<T: Ord + Clone> Disjoint<T> {
    /// Joins spans that overlap.
    pub fn of(mut spans: Vec<Span<T>>) -> Self {
        spans.sort();
        let mut joined: Vec<Span<T>> = Vec::new();
        for span in spans {
            match joined.last_mut() {
                Some(last) if last.to.is_none() => {}
                Some(last) if span.from <= last.to => {
                    if span.to.is_none() || span.to > last.to {
                        last.to = span.to;
                    }
                }
                _ => joined.push(span),
            }
        }
        Self(joined)
    }

    /// True if a value lies in one of them.
    pub fn hold<Q: Ord + ?Sized>(&self, value: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        let begun = self.0.partition_point(|span| span.from.as_ref().is_none_or(|from| from.borrow() <= value));
        let last = begun.checked_sub(1).and_then(|index| self.0.get(index));
        last.is_some_and(|span| span.to.as_ref().is_none_or(|to| value <= to.borrow()))
    }
}

/// Returns a whole number that is ordered among others as this number is; both zeros have the same.
pub fn ordinal_of(number: f64) -> i64 {
    let bits = (number + 0.0).to_bits().cast_signed();
    bits ^ ((bits >> 63).cast_unsigned() >> 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn span() -> impl Strategy<Value = Span<i64>> {
        (proptest::option::weighted(0.9, 0_i64..40), proptest::option::weighted(0.9, 0_i64..8))
            .prop_map(|(from, more)| Span { from, to: more.map(|more| from.unwrap_or_default() + more) })
    }

    proptest! {
        #[test]
        fn joined_spans_hold_what_one_of_them_holds(spans in proptest::collection::vec(span(), 0..6)) {
            let holds = |span: &Span<i64>, value| {
                span.from.is_none_or(|from| from <= value) && span.to.is_none_or(|to| value <= to)
            };
            let joined = Disjoint::of(spans.clone());
            for value in -5..60 {
                prop_assert_eq!(joined.hold(&value), spans.iter().any(|span| holds(span, value)), "{}", value);
            }
        }

        #[test]
        fn ordinals_are_ordered_as_their_numbers(a: f64, b: f64) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            prop_assert_eq!(a.partial_cmp(&b), Some(ordinal_of(a).cmp(&ordinal_of(b))));
        }
    }

    #[test]
    fn both_zeros_are_one() {
        assert_eq!(ordinal_of(-0.0), ordinal_of(0.0));
        assert!(ordinal_of(f64::NEG_INFINITY) < ordinal_of(-1e-300) && ordinal_of(-1e-300) < ordinal_of(0.0));
    }
}
