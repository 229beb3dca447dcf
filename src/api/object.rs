//! The `object!` macro: declares a JSON object of the server and derives its reader.

/// Declares a JSON object: each field with its type and the key or keys it is read from. Unknown keys, and values that the type
/// does not accept, go to `extra`. Fields under `exactly` keep the JSON text as sent.
macro_rules! object {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty = $($key:literal)|+,)* }
     $(exactly { $($raw:ident = $raw_key:literal,)* })?) => {
        $(#[$doc])*
        #[derive(Debug, Default, PartialEq)]
        pub(super) struct $name<'a> {
            $(pub(super) $field: Option<$type>,)*
            $($(pub(super) $raw: Option<&'a str>,)*)?
            pub(super) extra: $crate::api::extra::Extra,
            lifetime: std::marker::PhantomData<&'a ()>,
        }

        impl<'a> $crate::api::value::Accept<'a> for $name<'a> {
            fn map<A: serde::de::MapAccess<'a>>(
                mut map: A,
            ) -> Result<$crate::api::value::Slot<Self>, A::Error> {
                use $crate::api::value::Slot;
                let mut object = Self::default();
                while let Some(key) = map.next_key::<$crate::api::value::Text<'a>>()? {
                    match &*key.0 {
                        $($($key)|+ => match map.next_value::<Slot<$type>>()? {
                            Slot::Value(value) => {
                                if object.$field.as_ref().is_some_and(|known| *known != value) {
                                    $crate::api::allowance::note_twice([$($key),+][0]);
                                }
                                object.$field = Some(value);
                            }
                            Slot::Null => {
                                if object.$field.take().is_some() {
                                    $crate::api::allowance::note_twice([$($key),+][0]);
                                }
                            }
                            Slot::Odd(text) => object.extra.take(key.0, &text),
                        },)*
                        $($($raw_key => {
                            let text = map.next_value::<&'a serde_json::value::RawValue>()?.get();
                            if object.$raw.is_some_and(|known| known != text) {
                                $crate::api::allowance::note_twice($raw_key);
                            }
                            object.$raw = (text != "null" && $crate::api::allowance::charge_text(text)).then_some(text);
                        })*)?
                        _ => {
                            let value = map.next_value::<&'a serde_json::value::RawValue>()?;
                            object.extra.take(key.0, value.get());
                        }
                    }
                }
                Ok(Slot::Value(object))
            }
        }
    };
}
pub(super) use object;
