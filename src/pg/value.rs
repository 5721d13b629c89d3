//! Values whose type is known at run time only: copies that outlive a row, equality, text.

use super::encoding::ServerText;
use crate::rules::calendar::Day;
use pgrx::pg_sys::{self, Datum, Oid};
use std::ffi::{CStr, c_char};

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
    pub(super) unsafe fn stored(self, place: *const u8) -> (Datum, usize) {
        // SAFETY: by contract.
        unsafe {
            let size = match self.length {
                -1 => pgrx::varsize_any(place.cast()),
                -2 => CStr::from_ptr(place.cast()).to_bytes_with_nul().len(),
                length => length as usize,
            };
            let value = match size {
                _ if !self.by_value => Datum::from(place),
                1 => Datum::from(place.cast::<c_char>().read() as usize),
                2 => Datum::from(place.cast::<i16>().read()),
                4 => Datum::from(place.cast::<i32>().read()),
                _ => Datum::from(place.cast::<i64>().read()),
            };
            (value, size)
        }
    }

    /// A copy in the current memory context, detoasted.
    pub fn copy(self, value: Datum) -> Datum {
        if self.by_value {
            return value;
        }
        // SAFETY: value is a non-null datum of this type.
        unsafe {
            if self.length == -1 {
                return Datum::from(pg_sys::pg_detoast_datum_copy(value.cast_mut_ptr()));
            }
            let bytes: *const u8 = value.cast_mut_ptr();
            let size = match self.length {
                -2 => CStr::from_ptr(bytes.cast()).to_bytes_with_nul().len(),
                length => length as usize,
            };
            let copy = pg_sys::palloc(size).cast::<u8>();
            std::ptr::copy_nonoverlapping(bytes, copy, size);
            Datum::from(copy)
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
                    let raw: *mut pg_sys::varlena = value.cast_mut_ptr();
                    let plain = pg_sys::pg_detoast_datum_packed(raw);
                    let length = pgrx::varsize_any_exhdr(plain);
                    let data = pgrx::vardata_any(plain).cast::<u8>();
                    let result = read(std::slice::from_raw_parts(data, length));
                    if plain != raw {
                        pg_sys::pfree(plain.cast());
                    }
                    result
                }
                -2 => read(CStr::from_ptr(value.cast_mut_ptr()).to_bytes()),
                length => read(std::slice::from_raw_parts(value.cast_mut_ptr::<u8>(), length as usize)),
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
                    let raw: *mut pg_sys::varlena = value.cast_mut_ptr();
                    let plain = pg_sys::pg_detoast_datum(raw);
                    (plain.cast::<u8>(), pgrx::varsize_any(plain), plain != raw)
                }
                -2 => {
                    let text: *mut u8 = value.cast_mut_ptr();
                    (text, CStr::from_ptr(text.cast()).to_bytes_with_nul().len(), false)
                }
                length => (value.cast_mut_ptr::<u8>(), length as usize, false),
            };
            let mut block = vec![0u64; size.div_ceil(8)].into_boxed_slice();
            std::ptr::copy_nonoverlapping(pointer, block.as_mut_ptr().cast(), size);
            if temporary {
                pg_sys::pfree(pointer.cast());
            }
            Image::Block(block)
        }
    }

    /// A datum that is valid as long as the image lives and is not changed.
    pub fn datum(&self) -> Datum {
        match self {
            Image::Word(word) => Datum::from(*word),
            Image::Block(block) => Datum::from(block.as_ptr()),
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

/// The value written by its type's output function.
pub fn to_text(oid: Oid, value: Datum) -> ServerText {
    let mut function = Oid::INVALID;
    let mut varlena = false;
    // SAFETY: value is a non-null datum of type oid; the output is a fresh C string.
    unsafe {
        pg_sys::getTypeOutputInfo(oid, &mut function, &mut varlena);
        let text = pg_sys::OidOutputFunctionCall(function, value);
        let owned = ServerText::copy(CStr::from_ptr(text).to_bytes());
        pg_sys::pfree(text.cast());
        owned
    }
}

/// The value read by its type's input function, in the current memory context; raises its error.
pub fn from_text(oid: Oid, modifier: i32, text: &ServerText) -> Datum {
    let mut function = Oid::INVALID;
    let mut parameter = Oid::INVALID;
    // SAFETY: the input function accepts any C string and raises an error for a wrong one.
    unsafe {
        pg_sys::getTypeInputInfo(oid, &mut function, &mut parameter);
        pg_sys::OidInputFunctionCall(function, text.as_c_str().as_ptr().cast_mut(), parameter, modifier)
    }
}

/// As `from_text`, but None when the text is not a value of the type.
pub fn from_text_softly(oid: Oid, modifier: i32, text: &ServerText) -> Option<Datum> {
    super::version::read_softly(oid, modifier, text.as_c_str())
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
                pg_sys::OidFunctionCall2Coll(pg_sys::F_TIMEZONE_TEXT_TIMESTAMPTZ.into(), Oid::INVALID, zone, time)
            };
            of_local_time(local.value() as i64)
        }
    }
}

/// numeric arithmetic by PostgreSQL's own functions, results in the current memory context.
pub mod numeric {
    use super::super::unguarded;
    use super::{Datum, Layout, pg_sys};

    fn add(left: Datum, right: Datum) -> Datum {
        // SAFETY: both are non-null, detoasted numeric datums; a null flag makes it raise errors.
        Datum::from(unsafe {
            pg_sys::numeric_add_opt_error(left.cast_mut_ptr(), right.cast_mut_ptr(), std::ptr::null_mut())
        })
    }

    /// The sum of values as they come, each earlier one freed.
    #[derive(Default)]
    pub struct Sum(Option<Datum>);

    impl Sum {
        pub fn add(&mut self, value: Datum) {
            self.0 = Some(match self.0 {
                None => Layout::NUMERIC.copy(value),
                Some(before) => {
                    let sum = add(before, value);
                    // SAFETY: allocated by us in this memory context, and replaced here.
                    unsafe { unguarded::free(before.cast_mut_ptr::<u8>()) };
                    sum
                }
            });
        }

        /// None when nothing has been added.
        pub fn finish(self) -> Option<Datum> {
            self.0
        }
    }

    pub fn divide(left: Datum, right: Datum) -> Datum {
        // SAFETY: as above.
        Datum::from(unsafe {
            pg_sys::numeric_div_opt_error(left.cast_mut_ptr(), right.cast_mut_ptr(), std::ptr::null_mut())
        })
    }

    pub fn from_i64(value: i64) -> Datum {
        // SAFETY: allocates in the current memory context.
        Datum::from(unsafe { pg_sys::int64_to_numeric(value) })
    }
}
