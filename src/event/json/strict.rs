//! A deserializer adapter: it passes through what a type expects, except a list where the type is a
//! structure of named fields, and detects numbers so large that they may have been rounded.

use std::cell::Cell;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};

/// From this magnitude on, a number that is neither an `i64` nor a `u64` may have been an integer.
const HUGE: f64 = 9.2e18;

/// The adapter for one value.
pub(super) struct Strict<'s, D> {
    inner: D,
    is_huge: &'s Cell<bool>,
}

impl<'s, D> Strict<'s, D> {
    /// Wraps a deserializer; `is_huge` becomes true when a number as large as [`HUGE`] occurs.
    pub(super) fn new(inner: D, is_huge: &'s Cell<bool>) -> Strict<'s, D> {
        Strict { inner, is_huge }
    }

    fn watch<V>(&self, inner: V) -> StrictVisitor<'s, V> {
        StrictVisitor { inner, is_huge: self.is_huge, has_names: false }
    }
}

macro_rules! as_it_is {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        $(fn $name<V: Visitor<'de>>(self, $($argument: $type,)* to: V) -> Result<V::Value, D::Error> {
            let to = self.watch(to);
            self.inner.$name($($argument,)* to)
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<'_, D> {
    type Error = D::Error;

    as_it_is! {
        deserialize_any();
        deserialize_bool();
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(length: usize);
        deserialize_tuple_struct(name: &'static str, length: usize);
        deserialize_map();
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        to: V,
    ) -> Result<V::Value, D::Error> {
        let to = StrictVisitor { has_names: true, ..self.watch(to) };
        self.inner.deserialize_struct(name, fields, to)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// The visitor between the inner deserializer and the type's own visitor.
struct StrictVisitor<'s, V> {
    inner: V,
    is_huge: &'s Cell<bool>,
    /// Whether the type has named fields.
    has_names: bool,
}

macro_rules! forward_visits {
    ($($name:ident: $type:ty;)*) => {
        $(fn $name<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$name(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for StrictVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(out)
    }

    forward_visits! {
        visit_bool: bool;
        visit_i8: i8;
        visit_i16: i16;
        visit_i32: i32;
        visit_i64: i64;
        visit_i128: i128;
        visit_u8: u8;
        visit_u16: u16;
        visit_u32: u32;
        visit_u64: u64;
        visit_u128: u128;
        visit_f32: f32;
        visit_char: char;
        visit_str: &str;
        visit_borrowed_str: &'de str;
        visit_string: String;
        visit_bytes: &[u8];
        visit_borrowed_bytes: &'de [u8];
        visit_byte_buf: Vec<u8>;
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        if value.abs() >= HUGE {
            self.is_huge.set(true);
        }
        self.inner.visit_f64(value)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Strict::new(from, self.is_huge))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Strict::new(from, self.is_huge))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        if self.has_names {
            return Err(A::Error::invalid_type(Unexpected::Seq, &"an object with names"));
        }
        self.inner.visit_seq(Each { inner: items, is_huge: self.is_huge })
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Each { inner: entries, is_huge: self.is_huge })
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(Each { inner: data, is_huge: self.is_huge })
    }
}

/// The access to the elements of a list, a map or a variant.
struct Each<'s, A> {
    inner: A,
    is_huge: &'s Cell<bool>,
}

impl<'s, A> Each<'s, A> {
    fn seed<T>(&self, inner: T) -> Seed<'s, T> {
        Seed { inner, is_huge: self.is_huge }
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Each<'_, A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        let seed = self.seed(seed);
        self.inner.next_element_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Each<'_, A> {
    type Error = A::Error;

    fn next_key_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        let seed = self.seed(seed);
        self.inner.next_key_seed(seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        let seed = self.seed(seed);
        self.inner.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, 's, A: EnumAccess<'de>> EnumAccess<'de> for Each<'s, A> {
    type Error = A::Error;
    type Variant = Each<'s, A::Variant>;

    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Each<'s, A::Variant>), A::Error> {
        let (seed, is_huge) = (self.seed(seed), self.is_huge);
        let (name, inner) = self.inner.variant_seed(seed)?;
        Ok((name, Each { inner, is_huge }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Each<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        let seed = self.seed(seed);
        self.inner.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, to: V) -> Result<V::Value, A::Error> {
        let to = StrictVisitor { inner: to, is_huge: self.is_huge, has_names: false };
        self.inner.tuple_variant(length, to)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        to: V,
    ) -> Result<V::Value, A::Error> {
        let to = StrictVisitor { inner: to, is_huge: self.is_huge, has_names: true };
        self.inner.struct_variant(fields, to)
    }
}

/// The seed for one value, which receives the wrapped deserializer.
struct Seed<'s, T> {
    inner: T,
    is_huge: &'s Cell<bool>,
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Seed<'_, T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<T::Value, D::Error> {
        self.inner.deserialize(Strict::new(from, self.is_huge))
    }
}
