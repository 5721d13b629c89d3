//! Values between PostgreSQL and Rust, of types that are known when this is compiled.

use super::array;
use super::encoding::{ServerText, from_server};
use super::value::{Datum, Image, Layout, Made};
use crate::rules::calendar::Day;
use pgrx::pg_sys::{self, Oid};

/// A Rust type that values of a column are read into.
pub trait Read: Sized {
    /// The type that the column must have.
    const TYPE: Oid;

    /// # Safety
    /// A non-null datum of that type.
    unsafe fn read(datum: Datum) -> Self;
}

/// A Rust type whose values are bound to parameters.
pub trait Bind {
    const TYPE: Oid;

    /// In the current memory context; None for NULL.
    fn bind(self) -> Option<Made>;
}

/// Types that go by value.
macro_rules! by_value {
    ($($name:ty, $oid:ident, $read:expr;)*) => {$(
        impl Read for $name {
            const TYPE: Oid = pg_sys::$oid;

            unsafe fn read(datum: Datum) -> Self {
                $read(datum)
            }
        }

        impl Bind for $name {
            const TYPE: Oid = pg_sys::$oid;

            fn bind(self) -> Option<Made> {
                Some(Datum::from(self))
            }
        }
    )*};
}

by_value! {
    bool, BOOLOID, |datum: Datum| datum.value() & 0xff != 0;
    i16, INT2OID, |datum: Datum| datum.value() as i16;
    i32, INT4OID, |datum: Datum| datum.value() as i32;
    i64, INT8OID, |datum: Datum| datum.value() as i64;
    Oid, OIDOID, |datum: Datum| Oid::from(datum.value() as u32);
}

impl Read for f64 {
    const TYPE: Oid = pg_sys::FLOAT8OID;

    unsafe fn read(datum: Datum) -> Self {
        f64::from_bits(datum.value() as u64)
    }
}

impl Read for Day {
    const TYPE: Oid = pg_sys::DATEOID;

    unsafe fn read(datum: Datum) -> Self {
        Day::stored(datum.value() as i32)
    }
}

impl Bind for Day {
    const TYPE: Oid = pg_sys::DATEOID;

    fn bind(self) -> Option<Made> {
        Some(self.number().into())
    }
}

impl Bind for f64 {
    const TYPE: Oid = pg_sys::FLOAT8OID;

    fn bind(self) -> Option<Made> {
        Some(self.into())
    }
}

impl Read for ServerText {
    const TYPE: Oid = pg_sys::TEXTOID;

    unsafe fn read(datum: Datum) -> Self {
        Layout::TEXT.bytes(datum, ServerText::copy)
    }
}

impl Read for String {
    const TYPE: Oid = pg_sys::TEXTOID;

    unsafe fn read(datum: Datum) -> Self {
        Layout::TEXT.bytes(datum, from_server)
    }
}

impl Bind for &str {
    const TYPE: Oid = pg_sys::TEXTOID;

    fn bind(self) -> Option<Made> {
        Some(ServerText::of(self).datum())
    }
}

impl Bind for String {
    const TYPE: Oid = pg_sys::TEXTOID;

    fn bind(self) -> Option<Made> {
        self.as_str().bind()
    }
}

impl<T: Bind> Bind for Option<T> {
    const TYPE: Oid = T::TYPE;

    fn bind(self) -> Option<Made> {
        self.and_then(T::bind)
    }
}

/// A type that arrays are made of.
pub trait Element {
    const TYPE: Oid;
    const ARRAY: Oid;
}

macro_rules! elements {
    ($($name:ty, $oid:ident, $array:ident;)*) => {$(
        impl Element for $name {
            const TYPE: Oid = pg_sys::$oid;
            const ARRAY: Oid = pg_sys::$array;
        }
    )*};
}

elements! {
    bool, BOOLOID, BOOLARRAYOID;
    i32, INT4OID, INT4ARRAYOID;
    i64, INT8OID, INT8ARRAYOID;
    Oid, OIDOID, OIDARRAYOID;
    Day, DATEOID, DATEARRAYOID;
    ServerText, TEXTOID, TEXTARRAYOID;
    String, TEXTOID, TEXTARRAYOID;
}

impl Bind for ServerText {
    const TYPE: Oid = pg_sys::TEXTOID;

    fn bind(self) -> Option<Made> {
        Some(self.datum())
    }
}

/// NULL elements are read as such.
impl<T: Element + Read> Read for Vec<Option<T>> {
    const TYPE: Oid = T::ARRAY;

    unsafe fn read(datum: Datum) -> Self {
        let mut images = Vec::new();
        // An array of several dimensions, which none of ours has, is read as empty.
        _ = array::read_any(datum, Layout::of(<T as Element>::TYPE), usize::MAX, &mut images);
        // SAFETY: the images are of the element type.
        images.iter().map(|image| image.as_ref().map(|image| unsafe { T::read(image.datum()) })).collect()
    }
}

/// NULL elements are left out.
impl<T: Element + Read> Read for Vec<T> {
    const TYPE: Oid = T::ARRAY;

    unsafe fn read(datum: Datum) -> Self {
        // SAFETY: by contract.
        unsafe { Vec::<Option<T>>::read(datum) }.into_iter().flatten().collect()
    }
}

impl<T: Element + Bind> Bind for Vec<Option<T>> {
    const TYPE: Oid = T::ARRAY;

    fn bind(self) -> Option<Made> {
        let layout = Layout::of(<T as Element>::TYPE);
        let image = |element: T| element.bind().map(|datum| Image::of(layout, datum));
        let images: Vec<Option<Image>> = self.into_iter().map(|element| element.and_then(image)).collect();
        Some(array::write_any(layout, &images))
    }
}

impl<T: Element + Bind> Bind for Vec<T> {
    const TYPE: Oid = T::ARRAY;

    fn bind(self) -> Option<Made> {
        self.into_iter().map(Some).collect::<Vec<Option<T>>>().bind()
    }
}
