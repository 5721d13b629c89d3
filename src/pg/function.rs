//! Argument and result types of the extension's SQL functions that pgrx does not have in the form needed here.

use super::array;
use super::border::mistaken;
use super::convert::{self, Read};
use super::value::{self, Datum, Image, Layout, Made};
use crate::error::Error;
use pgrx::callconv::{Arg, ArgAbi, BoxRet, FcInfo};
use pgrx::datum::Datum as Boxed;
use pgrx::nullable::Nullable;
use pgrx::pg_sys::{self, Oid};
use pgrx::{FromDatum, IntoDatum, impl_sql_translatable};

/// Declares a type that stands for one SQL type, made from a datum by `$read`.
macro_rules! argument {
    ($name:ident, $sql:literal, $read:expr) => {
        impl FromDatum for $name {
            unsafe fn from_polymorphic_datum(datum: pg_sys::Datum, is_null: bool, _: Oid) -> Option<Self> {
                // SAFETY: an argument is there as long as the call.
                (!is_null).then(|| $read(unsafe { Datum::of(datum) }))
            }
        }

        // SAFETY: the declared SQL type is the one that the datum has.
        unsafe impl<'fcx> ArgAbi<'fcx> for $name {
            unsafe fn unbox_arg_unchecked(arg: Arg<'_, 'fcx>) -> Self {
                // SAFETY: as above; functions take these as Option, so NULL does not come here.
                unsafe { arg.unbox_arg_using_from_datum().unwrap_or_else(|| mistaken("an argument is NULL")) }
            }

            unsafe fn unbox_nullable_arg(arg: Arg<'_, 'fcx>) -> Nullable<Self> {
                // SAFETY: as above.
                unsafe { arg.unbox_arg_using_from_datum().into() }
            }
        }

        impl_sql_translatable!($name, $sql);
    };
}

/// Declares how a type is given back as a datum of one SQL type.
macro_rules! result {
    ($name:ident, $oid:expr, $write:expr) => {
        impl IntoDatum for $name {
            fn into_datum(self) -> Option<pg_sys::Datum> {
                let made: Option<Made> = $write(self);
                made.map(Made::raw)
            }

            fn type_oid() -> Oid {
                $oid
            }
        }

        // SAFETY: the datum is made in the memory context of the call.
        unsafe impl BoxRet for $name {
            unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Boxed<'fcx> {
                match self.into_datum() {
                    // SAFETY: as above.
                    Some(datum) => unsafe { fcinfo.return_raw_datum(datum) },
                    None => fcinfo.return_null(),
                }
            }
        }
    };
}

/// What a trigger function gives back when there is no row to give.
pub struct NoRow;

// SAFETY: the trigger protocol wants a null pointer that is not marked as NULL.
unsafe impl BoxRet for NoRow {
    unsafe fn box_into<'fcx>(self, fcinfo: &mut FcInfo<'fcx>) -> Boxed<'fcx> {
        // SAFETY: as above.
        unsafe { fcinfo.return_raw_datum(pg_sys::Datum::null()) }
    }
}

impl_sql_translatable!(NoRow, "trigger");

/// A table by its name: regclass.
pub struct Regclass(pub Oid);
argument!(Regclass, "regclass", |datum: Datum| Regclass(Oid::from(datum.value() as u32)));

impl Read for Regclass {
    const TYPE: Oid = pg_sys::REGCLASSOID;

    unsafe fn read(datum: Datum) -> Self {
        Regclass(Oid::from(datum.value() as u32))
    }
}

result!(Regclass, pg_sys::REGCLASSOID, |table: Regclass| Some(Datum::from(table.0)));

/// A timestamptz as PostgreSQL stores it.
pub struct Instant(pub i64);

impl_sql_translatable!(Instant, "timestamptz");

result!(Instant, pg_sys::TIMESTAMPTZOID, |instant: Instant| Some(Datum::from(instant.0)));

/// A date as PostgreSQL stores it, with its infinities.
pub struct RawDate(pub i32);
argument!(RawDate, "date", |datum: Datum| RawDate(datum.value() as i32));

impl Read for RawDate {
    const TYPE: Oid = pg_sys::DATEOID;

    unsafe fn read(datum: Datum) -> Self {
        RawDate(datum.value() as i32)
    }
}

impl RawDate {
    pub fn is_infinite(&self) -> bool {
        self.0 == i32::MIN || self.0 == i32::MAX
    }

    pub fn text(&self) -> String {
        value::to_text(pg_sys::DATEOID, Datum::from(self.0)).text()
    }
}

/// json as it was typed.
pub struct JsonText(pub String);
argument!(JsonText, "json", |datum: Datum| JsonText(value::to_text(pg_sys::JSONOID, datum).text()));

/// An interval in its text form.
pub struct IntervalText(pub String);
argument!(IntervalText, "interval", |datum: Datum| IntervalText(value::to_text(pg_sys::INTERVALOID, datum).text()));

/// A text: pgrx takes its own strings for UTF-8, whatever the encoding of the server.
pub struct Text(pub String);
argument!(Text, "text", |datum| Text(read(datum)));
result!(Text, pg_sys::TEXTOID, |text: Text| convert::Bind::bind(text.0));

/// Some texts.
pub struct Texts(pub List<String>);
argument!(Texts, "text[]", |datum| Texts(List::read(datum)));

/// Some integers.
pub struct Integers(pub List<i32>);
argument!(Integers, "integer[]", |datum| Integers(List::read(datum)));

/// The elements of an array, of which some may be NULL.
pub struct List<T> {
    elements: Vec<Option<T>>,
    dimensions: i32,
}

impl<T> List<T>
where
    Vec<Option<T>>: Read,
{
    fn read(datum: Datum) -> Self {
        List { elements: read(datum), dimensions: array::dimensions(datum) }
    }

    /// Refuses several dimensions: what was meant by them is not known.
    pub fn elements(self, argument: &'static str) -> Result<Vec<Option<T>>, Error> {
        let dimensions = self.dimensions;
        if dimensions > 1 { Err(Error::ArrayDimensions { argument, dimensions }) } else { Ok(self.elements) }
    }
}

/// A jsonb as PostgreSQL stores it.
pub struct RawJsonb(pub Image);
argument!(RawJsonb, "jsonb", |datum: Datum| RawJsonb(Image::of(Layout::of(pg_sys::JSONBOID), datum)));
result!(RawJsonb, pg_sys::JSONBOID, |json: RawJsonb| Some(Layout::of(pg_sys::JSONBOID).copy(json.0.datum())));

fn read<T: convert::Read>(datum: Datum) -> T {
    // SAFETY: the argument has the type that its function was declared with.
    unsafe { T::read(datum) }
}

/// An argument's text, if it was given.
pub fn text(text: Option<Text>) -> Option<String> {
    text.map(|text| text.0)
}
