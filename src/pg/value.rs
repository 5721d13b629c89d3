//! Values whose type is known at run time only: copies that outlive a row, equality, text.

use super::encoding::ServerText;
use super::settings::with_own_names;
use crate::rules::calendar::Day;
use pgrx::pg_sys::{self, Oid};
use std::ffi::{CStr, c_char};
use std::marker::PhantomData;

/// A value as PostgreSQL passes it: by itself, or by its place in memory. It is good for as long as that is borrowed from
/// which it was taken: a row, an image, an array.
#[derive(Clone, Copy, Debug)]
pub struct Datum<'a>(pg_sys::Datum, PhantomData<&'a ()>);

/// A value that goes by itself, or was made in the current memory context: it is good until that is emptied.
pub type Made = Datum<'static>;

impl Datum<'_> {
    /// What goes by itself.
    #[inline]
    pub fn value(self) -> usize {
        self.0.value()
    }

    #[inline]
    pub(super) fn raw(self) -> pg_sys::Datum {
        self.0
    }

    /// # Safety
    /// What it points to must be there as long as the lifetime says, or until the current memory context is emptied.
    #[inline]
    pub(super) unsafe fn of(raw: impl Into<pg_sys::Datum>) -> Self {
        Datum(raw.into(), PhantomData)
    }

    fn pointer<T>(self) -> *mut T {
        self.0.cast_mut_ptr()
    }
}

/// Types that go by themselves.
macro_rules! by_itself {
    ($($name:ty),*) => {$(
        impl From<$name> for Datum<'_> {
            #[inline]
            fn from(value: $name) -> Self {
                Datum(value.into(), PhantomData)
            }
        }
    )*};
}

by_itself!(bool, i16, i32, i64, u32, u64, Oid);

impl From<f64> for Datum<'_> {
    #[inline]
    fn from(value: f64) -> Self {
        value.to_bits().into()
    }
}

/// An empty list for other values, in the memory of a list that is not needed any more.
pub fn emptied<'a>(values: Vec<Datum<'_>>) -> Vec<Datum<'a>> {
    values.into_iter().map_while(|_| None).collect()
}

/// How values of a type are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    pub oid: Oid,
    pub length: i16,
    pub by_value: bool,
    pub align: i8,
}

impl Layout {
    pub const TEXT: Layout =
        Layout { oid: pg_sys::TEXTOID, length: -1, by_value: false, align: pg_sys::TYPALIGN_INT as i8 };
    pub const NUMERIC: Layout =
        Layout { oid: pg_sys::NUMERICOID, length: -1, by_value: false, align: pg_sys::TYPALIGN_INT as i8 };

    pub fn of(oid: Oid) -> Self {
        let (mut length, mut by_value, mut align) = (0, false, 0);
        // SAFETY: out parameters are valid; an unknown oid raises a PostgreSQL error.
        unsafe { pg_sys::get_typlenbyvalalign(oid, &mut length, &mut by_value, &mut align) };
        Layout { oid, length, by_value, align }
    }

    /// Whether values of another type are stored in the same way.
    pub fn is_as(self, other: Layout) -> bool {
        self == Layout { oid: self.oid, ..other }
    }

    /// Bytes that a value's place is a multiple of.
    pub fn alignment(self) -> usize {
        match self.align as u8 {
            b'c' => 1,
            b's' => 2,
            b'i' => 4,
            _ => 8,
        }
    }

    /// The value that is stored at a place, as in an array, and its bytes there.
    ///
    /// # Safety
    /// A value of this type must be there, aligned.
    pub(super) unsafe fn stored<'a>(self, place: *const u8) -> (Datum<'a>, usize) {
        // SAFETY: by contract.
        unsafe {
            let size = match self.length {
                -1 => pgrx::varsize_any(place.cast()),
                -2 => CStr::from_ptr(place.cast()).to_bytes_with_nul().len(),
                length => length as usize,
            };
            let value = match size {
                _ if !self.by_value => Datum::of(place),
                1 => Datum::of(place.cast::<c_char>().read() as usize),
                2 => Datum::of(place.cast::<i16>().read()),
                4 => Datum::of(place.cast::<i32>().read()),
                _ => Datum::of(place.cast::<i64>().read()),
            };
            (value, size)
        }
    }

    /// A copy in the current memory context, detoasted.
    pub fn copy(self, value: Datum) -> Made {
        // SAFETY: value is a datum of this type.
        unsafe {
            if self.by_value {
                return Datum::of(value.raw());
            }
            if self.length == -1 {
                return Datum::of(pg_sys::pg_detoast_datum_copy(value.pointer()));
            }
            let bytes: *const u8 = value.pointer();
            let size = match self.length {
                -2 => CStr::from_ptr(bytes.cast()).to_bytes_with_nul().len(),
                length => length as usize,
            };
            let copy = pg_sys::palloc(size).cast::<u8>();
            std::ptr::copy_nonoverlapping(bytes, copy, size);
            Datum::of(copy)
        }
    }

    /// Whether two values have the same bytes, after detoasting.
    pub fn same(self, left: Datum, right: Datum) -> bool {
        if self.by_value {
            return left.value() == right.value();
        }
        self.bytes(left, |left| self.bytes(right, |right| left == right))
    }

    /// Calls `read` with the stored bytes of a by-reference value: of a varlena without its header.
    pub fn bytes<T>(self, value: Datum, read: impl FnOnce(&[u8]) -> T) -> T {
        // SAFETY: value is a non-null by-reference datum of this type; a detoasted copy is freed after use.
        unsafe {
            match self.length {
                -1 => {
                    let stored: *mut pg_sys::varlena = value.pointer();
                    let toasted = pgrx::varatt_is_4b_c(stored) || pgrx::varatt_is_1b_e(stored);
                    let plain = if toasted { pg_sys::pg_detoast_datum_packed(stored) } else { stored };
                    let length = pgrx::varsize_any_exhdr(plain);
                    let data = pgrx::vardata_any(plain).cast::<u8>();
                    let result = read(std::slice::from_raw_parts(data, length));
                    if toasted {
                        pg_sys::pfree(plain.cast());
                    }
                    result
                }
                -2 => read(CStr::from_ptr(value.pointer()).to_bytes()),
                length => read(std::slice::from_raw_parts(value.pointer::<u8>(), length as usize)),
            }
        }
    }
}

/// A value of any type, owned by Rust.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Image {
    Word(usize),
    /// The bytes, in eight-byte units so that any type's alignment holds.
    Block(Box<[u64]>),
}

impl Image {
    pub fn of(layout: Layout, value: Datum) -> Self {
        if layout.by_value {
            return Image::Word(value.value());
        }
        // SAFETY: value is a non-null datum of this layout; the copy has exactly `size` bytes.
        unsafe {
            let (pointer, size, temporary) = match layout.length {
                -1 => {
                    let raw: *mut pg_sys::varlena = value.pointer();
                    let plain = pg_sys::pg_detoast_datum(raw);
                    (plain.cast::<u8>(), pgrx::varsize_any(plain), plain != raw)
                }
                -2 => {
                    let text: *mut u8 = value.pointer();
                    (text, CStr::from_ptr(text.cast()).to_bytes_with_nul().len(), false)
                }
                length => (value.pointer::<u8>(), length as usize, false),
            };
            let mut block = vec![0u64; size.div_ceil(8)].into_boxed_slice();
            std::ptr::copy_nonoverlapping(pointer, block.as_mut_ptr().cast(), size);
            if temporary {
                pg_sys::pfree(pointer.cast());
            }
            Image::Block(block)
        }
    }

    pub fn datum(&self) -> Datum<'_> {
        // SAFETY: the block is borrowed as long as the datum.
        unsafe {
            match self {
                Image::Word(word) => Datum::of(*word),
                Image::Block(block) => Datum::of(block.as_ptr()),
            }
        }
    }

    /// Bytes of memory beside the enum itself.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Image::Word(_) => 0,
            Image::Block(block) => block.len() * 8 + 16,
        }
    }
}

/// The value written by its type's output function, by our settings.
pub fn to_text(oid: Oid, value: Datum) -> ServerText {
    let mut function = Oid::INVALID;
    let mut varlena = false;
    // SAFETY: value is a non-null datum of type oid; the output is a fresh C string.
    with_own_names(|| unsafe {
        pg_sys::getTypeOutputInfo(oid, &mut function, &mut varlena);
        let text = pg_sys::OidOutputFunctionCall(function, value.raw());
        let owned = ServerText::copy(CStr::from_ptr(text).to_bytes());
        pg_sys::pfree(text.cast());
        owned
    })
}

/// The value read by its type's input function, in the current memory context; raises its error.
pub fn from_text(oid: Oid, modifier: i32, text: &ServerText) -> Made {
    let mut function = Oid::INVALID;
    let mut parameter = Oid::INVALID;
    // SAFETY: the input function accepts any C string and raises an error for a wrong one.
    unsafe {
        pg_sys::getTypeInputInfo(oid, &mut function, &mut parameter);
        Datum::of(pg_sys::OidInputFunctionCall(function, text.as_c_str().as_ptr().cast_mut(), parameter, modifier))
    }
}

/// As `from_text`, but None when the text is not a value of the type.
pub fn from_text_softly(oid: Oid, modifier: i32, text: &ServerText) -> Option<Made> {
    let value = super::version::read_softly(oid, modifier, text.as_c_str())?;
    // SAFETY: the input function has made it in the current memory context.
    Some(unsafe { Datum::of(value) })
}

/// The day of a date, timestamp or timestamptz in a time zone; None for infinity.
pub fn local_day(time: Datum, type_oid: Oid, zone: &str) -> Option<Day> {
    const MICROSECONDS_A_DAY: i64 = 86_400_000_000;
    let of_local_time = |time: i64| {
        let finite = time != i64::MIN && time != i64::MAX;
        finite.then(|| Day::stored(time.div_euclid(MICROSECONDS_A_DAY) as i32))
    };
    match type_oid {
        pg_sys::DATEOID => {
            let number = time.value() as i32;
            (number != i32::MIN && number != i32::MAX).then(|| Day::stored(number))
        }
        pg_sys::TIMESTAMPOID => of_local_time(time.value() as i64),
        _ => {
            let zone = ServerText::of(zone).datum();
            // SAFETY: timezone(text, timestamptz) on non-null values of these types.
            let local = unsafe {
                pg_sys::OidFunctionCall2Coll(
                    pg_sys::F_TIMEZONE_TEXT_TIMESTAMPTZ.into(),
                    Oid::INVALID,
                    zone.raw(),
                    time.raw(),
                )
            };
            of_local_time(local.value() as i64)
        }
    }
}

/// numeric arithmetic by PostgreSQL's own functions, results in the current memory context.
pub mod numeric {
    use super::super::unguarded;
    use super::{Datum, Layout, Made, pg_sys};

    fn add(left: Datum, right: Datum) -> Made {
        // SAFETY: both are non-null, detoasted numeric datums; a null flag makes it raise errors.
        unsafe { Datum::of(pg_sys::numeric_add_opt_error(left.pointer(), right.pointer(), std::ptr::null_mut())) }
    }

    /// The sum of values as they come, each earlier one freed.
    #[derive(Default)]
    pub struct Sum(Option<Made>);

    impl Sum {
        pub fn add(&mut self, value: Datum) {
            self.0 = Some(match self.0 {
                None => Layout::NUMERIC.copy(value),
                Some(before) => {
                    let sum = add(before, value);
                    // SAFETY: allocated by us in this memory context, and replaced here.
                    unsafe { unguarded::free(before.pointer::<u8>()) };
                    sum
                }
            });
        }

        /// None when nothing has been added.
        pub fn finish(self) -> Option<Made> {
            self.0
        }
    }

    pub fn divide(left: Datum, right: Datum) -> Made {
        // SAFETY: as above.
        unsafe { Datum::of(pg_sys::numeric_div_opt_error(left.pointer(), right.pointer(), std::ptr::null_mut())) }
    }

    pub fn from_i64(value: i64) -> Made {
        // SAFETY: allocates in the current memory context.
        unsafe { Datum::of(pg_sys::int64_to_numeric(value)) }
    }
}
