//! One-dimensional arrays, read in place through the short header and written once.

use super::border::mistaken;
use super::unguarded::{self, allocate};
use super::value::{Datum, Image, Layout, Made};
use crate::error::Error;
use pgrx::pg_sys::{self, Oid};
use std::mem::MaybeUninit;

/// A number of a fixed width, which lies in arrays as Rust has it.
///
/// # Safety
/// The layout must be that of PostgreSQL's type of so many bytes.
pub unsafe trait Number: Copy {
    const LAYOUT: Layout;
}

macro_rules! numbers {
    ($($name:ty, $oid:ident, $align:ident;)*) => {$(
        // SAFETY: the names of the types say so.
        unsafe impl Number for $name {
            const LAYOUT: Layout = Layout {
                oid: pg_sys::$oid,
                length: size_of::<$name>() as i16,
                by_value: true,
                align: pg_sys::$align as i8,
            };
        }
    )*};
}

numbers! {
    i16, INT2OID, TYPALIGN_SHORT;
    i32, INT4OID, TYPALIGN_INT;
    i64, INT8OID, TYPALIGN_DOUBLE;
    f32, FLOAT4OID, TYPALIGN_INT;
    f64, FLOAT8OID, TYPALIGN_DOUBLE;
}

/// The parts of an array datum: pointers into it, or into a detoasted copy in the current memory context.
struct Parts {
    /// Where a header of four bytes would begin; with a short header that is three bytes before the datum.
    base: *const u8,
    dimensions: i32,
    data_offset: i32,
    element: Oid,
    length: usize,
}

/// Whether PostgreSQL's functions will be called with what is in the array.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alignment {
    Any,
    OfType,
}

/// Offset of the first dimension in an array with a four-byte header.
const DIMENSIONS_AT: usize = 16;

/// Calls `look` with the parts of an array; a copy that had to be made of it is gone afterwards.
#[inline]
fn with_parts<R>(
    array: Datum,
    alignment: Alignment,
    look: impl FnOnce(&Parts) -> Result<R, Error>,
) -> Result<R, Error> {
    // SAFETY: callers pass non-null array datums; what is neither compressed nor elsewhere is read where it is.
    unsafe {
        let stored: *mut pg_sys::varlena = array.raw().cast_mut_ptr();
        let toasted = pgrx::varatt_is_4b_c(stored) || pgrx::varatt_is_1b_e(stored);
        if !toasted && (alignment == Alignment::Any || !pgrx::varatt_is_1b(stored)) {
            return look(&Parts::of(stored)?);
        }
        let copy = pg_sys::pg_detoast_datum(stored);
        let result = Parts::of(copy).and_then(|parts| look(&parts));
        unguarded::free(copy);
        result
    }
}

impl Parts {
    /// # Safety
    /// `packed` must be an array datum that is neither compressed nor elsewhere.
    #[inline]
    unsafe fn of(packed: *mut pg_sys::varlena) -> Result<Self, Error> {
        // SAFETY: all reads are unaligned and inside the datum.
        unsafe {
            let short = pgrx::varatt_is_1b(packed);
            let base = packed.cast::<u8>().cast_const().wrapping_sub(if short { 3 } else { 0 });
            let dimensions = read::<i32>(base, 4);
            if dimensions > 1 {
                return Err(Error::ArrayDimensions { argument: "history", dimensions });
            }
            let length = if dimensions == 0 { 0 } else { read::<i32>(base, DIMENSIONS_AT) as usize };
            let (data_offset, element) = (read::<i32>(base, 8), read::<Oid>(base, 12));
            Ok(Parts { base, dimensions, data_offset, element, length })
        }
    }

    /// Elements of another layout are a mistake of ours. Casts that change no byte leave the type that was there before.
    #[inline]
    fn expect(&self, layout: Layout) {
        if self.element != layout.oid && !Layout::of(self.element).is_as(layout) {
            let (found, wanted) = (self.element.to_u32(), layout.oid.to_u32());
            mistaken(&format!("an array has elements of type {found}, not {wanted}"));
        }
    }

    fn data_at(&self) -> usize {
        if self.data_offset != 0 {
            self.data_offset as usize
        } else {
            align(DIMENSIONS_AT + 8 * self.dimensions as usize, 8)
        }
    }

    /// # Safety
    /// `index` must be below the length.
    unsafe fn is_null(&self, index: usize) -> bool {
        if self.data_offset == 0 {
            return false;
        }
        let bitmap_at = DIMENSIONS_AT + 8 * self.dimensions as usize;
        // SAFETY: an array with a data offset has a bitmap of one bit an element.
        unsafe { read::<u8>(self.base, bitmap_at + index / 8) & (1 << (index % 8)) == 0 }
    }
}

/// # Safety
/// `base + offset` must be readable for a `T`.
unsafe fn read<T: Copy>(base: *const u8, offset: usize) -> T {
    // SAFETY: by contract.
    unsafe { base.wrapping_add(offset).cast::<T>().read_unaligned() }
}

fn align(offset: usize, to: usize) -> usize {
    offset.next_multiple_of(to)
}

/// The number of dimensions; none when it is empty.
pub fn dimensions(array: Datum) -> i32 {
    let one = with_parts(array, Alignment::Any, |parts| Ok(parts.dimensions));
    match one {
        Err(Error::ArrayDimensions { dimensions, .. }) => dimensions,
        one => one.unwrap_or(0),
    }
}

/// The number of elements.
pub fn length(array: Datum) -> Result<usize, Error> {
    with_parts(array, Alignment::Any, |parts| Ok(parts.length))
}

/// The newest elements of an array of a fixed-width type.
pub enum Elements<'a, T> {
    /// None of them is NULL.
    Present(&'a [T]),
    Mixed(Mixed<'a, T>),
}

/// Elements up to this number are copied without asking for memory: more than fit behind a short header.
const FEW: usize = 64;

/// Calls `look` with the newest elements, at most `most`, of an array of a fixed-width type.
#[inline]
pub fn with_fixed<T: Number, R>(array: Datum, most: usize, look: impl FnOnce(Elements<T>) -> R) -> Result<R, Error> {
    with_parts(array, Alignment::Any, |parts| {
        parts.expect(T::LAYOUT);
        let (data, length) = (parts.base.wrapping_add(parts.data_at()), parts.length.min(most));
        if parts.data_offset != 0 {
            return Ok(look(Elements::Mixed(Mixed { parts, index: 0, length, data: data.cast() })));
        }
        // SAFETY: the elements are as wide as T; without NULL all of them are there.
        unsafe {
            if data.cast::<T>().is_aligned() {
                return Ok(look(Elements::Present(std::slice::from_raw_parts(data.cast(), length))));
            }
            let mut few = [const { MaybeUninit::<T>::uninit() }; FEW];
            let mut many = Vec::new();
            let copy: *mut T = if length <= FEW {
                few.as_mut_ptr().cast()
            } else {
                many.reserve_exact(length);
                many.as_mut_ptr()
            };
            std::ptr::copy_nonoverlapping(data, copy.cast::<u8>(), length * size_of::<T>());
            Ok(look(Elements::Present(std::slice::from_raw_parts(copy, length))))
        }
    })
}

/// Elements of a fixed-width type, NULLs among them.
pub struct Mixed<'a, T> {
    parts: &'a Parts,
    index: usize,
    length: usize,
    /// Where the next one that is not NULL lies.
    data: *const T,
}

impl<T: Number> Iterator for Mixed<'_, T> {
    type Item = Option<T>;

    fn next(&mut self) -> Option<Option<T>> {
        let index = self.index;
        if index >= self.length {
            return None;
        }
        self.index += 1;
        // SAFETY: the index is below the length; elements that are not NULL lie one behind the other.
        unsafe {
            if self.parts.is_null(index) {
                return Some(None);
            }
            let value = self.data.read_unaligned();
            self.data = self.data.wrapping_add(1);
            Some(Some(value))
        }
    }
}

/// Appends the elements of an array of a fixed-width type to `elements`, from the newest, at most `most`.
pub fn read_fixed<T: Number>(array: Datum, most: usize, elements: &mut Vec<Option<T>>) -> Result<(), Error> {
    with_fixed(array, most, |found| match found {
        Elements::Present(values) => elements.extend(values.iter().copied().map(Some)),
        Elements::Mixed(values) => elements.extend(values),
    })
}

/// Calls `look` with the newest elements, at most `most`, of an array of any type; they are valid until it returns.
pub fn with_any<R>(array: Datum, layout: Layout, most: usize, look: impl FnOnce(Values) -> R) -> Result<R, Error> {
    with_parts(array, Alignment::OfType, |parts| {
        parts.expect(layout);
        Ok(look(Values { parts, layout, index: 0, length: parts.length.min(most), at: parts.data_at() }))
    })
}

/// Elements of any type.
pub struct Values<'a> {
    parts: &'a Parts,
    layout: Layout,
    index: usize,
    length: usize,
    /// Where the element before has ended.
    at: usize,
}

impl<'a> Iterator for Values<'a> {
    type Item = Option<Datum<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.index;
        if index >= self.length {
            return None;
        }
        self.index += 1;
        // SAFETY: the index is below the length; elements that are not NULL lie one behind the other, each aligned as
        // its type asks for.
        unsafe {
            if self.parts.is_null(index) {
                return Some(None);
            }
            let start = align(self.at, self.layout.alignment());
            let (value, size) = self.layout.stored(self.parts.base.wrapping_add(start));
            self.at = start + size;
            Some(Some(value))
        }
    }
}

/// Appends copies of the elements of an array of any type to `elements`, at most `most`.
pub fn read_any(array: Datum, layout: Layout, most: usize, elements: &mut Vec<Option<Image>>) -> Result<(), Error> {
    with_any(array, layout, most, |values| {
        elements.extend(values.map(|value| value.map(|value| Image::of(layout, value))));
    })
}

/// A new array of `newest` and what was before it, none of them NULL.
pub fn write_plain<T: Number>(newest: T, before: &[T]) -> Made {
    let data_at = align(DIMENSIONS_AT + 8, 8);
    let size = data_at + (before.len() + 1) * size_of::<T>();
    // SAFETY: the block has `size` bytes, and header, dimension and data fill it.
    unsafe {
        let base = allocate(size);
        write_head(base, size, T::LAYOUT.oid, before.len() + 1, 0);
        let data = base.add(data_at).cast::<T>();
        data.write_unaligned(newest);
        std::ptr::copy_nonoverlapping(before.as_ptr().cast::<u8>(), data.add(1).cast::<u8>(), size_of_val(before));
        Datum::of(base)
    }
}

/// # Safety
/// `base` must have room for the header and one dimension.
unsafe fn write_head(base: *mut u8, size: usize, oid: Oid, length: usize, data_offset: usize) {
    // SAFETY: by contract; blocks are aligned for any type.
    unsafe {
        pgrx::set_varsize_4b(base.cast(), size as i32);
        let array = base.cast::<pg_sys::ArrayType>();
        (*array).ndim = 1;
        (*array).dataoffset = data_offset as i32;
        (*array).elemtype = oid;
        let numbers = base.add(DIMENSIONS_AT).cast::<i32>();
        numbers.write(length as i32);
        numbers.add(1).write(1);
    }
}

/// A new array of a fixed-width type in the current memory context, with lower bound 1.
pub fn write_fixed<T: Number>(elements: &[Option<T>]) -> Made {
    if elements.is_empty() {
        // SAFETY: a plain allocation.
        return unsafe { Datum::of(pg_sys::construct_empty_array(T::LAYOUT.oid)) };
    }
    let filled = elements.iter().flatten().count();
    let holes = filled < elements.len();
    let bitmap_at = DIMENSIONS_AT + 8;
    let bitmap = if holes { elements.len().div_ceil(8) } else { 0 };
    let data_at = align(bitmap_at + bitmap, 8);
    let size = data_at + filled * size_of::<T>();
    // SAFETY: the block has `size` bytes; header, dimension, bitmap and data fill it.
    unsafe {
        let base = allocate(size);
        write_head(base, size, T::LAYOUT.oid, elements.len(), if holes { data_at } else { 0 });
        let mut data = base.add(data_at).cast::<T>();
        for value in elements.iter().flatten() {
            data.write_unaligned(*value);
            data = data.add(1);
        }
        if holes {
            base.add(bitmap_at).write_bytes(0, data_at - bitmap_at);
            let present = elements.iter().enumerate().filter(|(_, element)| element.is_some());
            present.for_each(|(index, _)| *base.add(bitmap_at + index / 8) |= 1 << (index % 8));
        }
        Datum::of(base)
    }
}

/// A new array of any type in the current memory context, with lower bound 1.
pub fn write_any(layout: Layout, elements: &[Option<Image>]) -> Made {
    let value = |element: &Option<Image>| element.as_ref().map_or(pg_sys::Datum::null(), |image| image.datum().raw());
    let mut values: Vec<pg_sys::Datum> = elements.iter().map(value).collect();
    let mut nulls: Vec<bool> = elements.iter().map(Option::is_none).collect();
    let (mut dimension, mut lower) = (elements.len() as i32, 1);
    // SAFETY: all slices have the length that is passed.
    unsafe {
        if elements.is_empty() {
            return Datum::of(pg_sys::construct_empty_array(layout.oid));
        }
        Datum::of(pg_sys::construct_md_array(
            values.as_mut_ptr(),
            nulls.as_mut_ptr(),
            1,
            &mut dimension,
            &mut lower,
            layout.oid,
            layout.length.into(),
            layout.by_value,
            layout.align,
        ))
    }
}
