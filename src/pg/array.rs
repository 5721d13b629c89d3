//! One-dimensional arrays, read in place through the short header and written once.

use super::unguarded::{self, allocate};
use super::value::{Image, Layout};
use crate::error::Error;
use pgrx::pg_sys::{self, Datum, Oid};
use std::mem::MaybeUninit;

/// The parts of an array datum: pointers into it, or into a detoasted copy in the current memory context.
struct Parts {
    /// Where a header of four bytes would begin; with a short header that is three bytes before the datum.
    base: *const u8,
    dimensions: i32,
    data_offset: i32,
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
        let stored: *mut pg_sys::varlena = array.cast_mut_ptr();
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
            Ok(Parts { base, dimensions, data_offset: read::<i32>(base, 8), length })
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
pub fn with_fixed<T: Copy, R>(array: Datum, most: usize, look: impl FnOnce(Elements<T>) -> R) -> Result<R, Error> {
    with_parts(array, Alignment::Any, |parts| {
        let (data, length) = (parts.base.wrapping_add(parts.data_at()), parts.length.min(most));
        if parts.data_offset != 0 {
            return Ok(look(Elements::Mixed(Mixed { parts, index: 0, length, data: data.cast() })));
        }
        // SAFETY: callers name an element type as wide as T; without NULL all elements are there.
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

impl<T: Copy> Iterator for Mixed<'_, T> {
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
pub fn read_fixed<T: Copy>(array: Datum, most: usize, elements: &mut Vec<Option<T>>) -> Result<(), Error> {
    with_fixed(array, most, |found| match found {
        Elements::Present(values) => elements.extend(values.iter().copied().map(Some)),
        Elements::Mixed(values) => elements.extend(values),
    })
}

/// Calls `look` with the newest elements, at most `most`, of an array of any type; they are valid until it returns.
pub fn with_any<R>(array: Datum, layout: Layout, most: usize, look: impl FnOnce(Values) -> R) -> Result<R, Error> {
    with_parts(array, Alignment::OfType, |parts| {
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

impl Iterator for Values<'_> {
    type Item = Option<Datum>;

    fn next(&mut self) -> Option<Option<Datum>> {
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
pub fn write_plain<T: Copy>(oid: Oid, newest: T, before: &[T]) -> Datum {
    let data_at = align(DIMENSIONS_AT + 8, 8);
    let size = data_at + (before.len() + 1) * size_of::<T>();
    // SAFETY: the block has `size` bytes, and header, dimension and data fill it.
    unsafe {
        let base = allocate(size);
        write_head(base, size, oid, before.len() + 1, 0);
        let data = base.add(data_at).cast::<T>();
        data.write_unaligned(newest);
        std::ptr::copy_nonoverlapping(before.as_ptr().cast::<u8>(), data.add(1).cast::<u8>(), size_of_val(before));
        Datum::from(base)
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
pub fn write_fixed<T: Copy>(oid: Oid, elements: &[Option<T>]) -> Datum {
    if elements.is_empty() {
        // SAFETY: a plain allocation.
        return Datum::from(unsafe { pg_sys::construct_empty_array(oid) });
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
        write_head(base, size, oid, elements.len(), if holes { data_at } else { 0 });
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
        Datum::from(base)
    }
}

/// A new array of any type in the current memory context, with lower bound 1.
pub fn write_any(layout: Layout, elements: &[Option<Image>]) -> Datum {
    let mut values: Vec<Datum> = elements.iter().map(|e| e.as_ref().map_or(Datum::null(), Image::datum)).collect();
    let mut nulls: Vec<bool> = elements.iter().map(Option::is_none).collect();
    let (mut dimension, mut lower) = (elements.len() as i32, 1);
    // SAFETY: all slices have the length that is passed.
    unsafe {
        if elements.is_empty() {
            return Datum::from(pg_sys::construct_empty_array(layout.oid));
        }
        Datum::from(pg_sys::construct_md_array(
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
