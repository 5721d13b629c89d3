//! How elements of arrays travel between PostgreSQL and Rust.

use super::paced;
use crate::error::Error;
use crate::pg::array::{self, Elements};
use crate::pg::value::{Datum, Image, Layout, Made, numeric};
use crate::rules::window::{Element, Overflow, Quotient};
use std::borrow::Borrow;
use std::marker::PhantomData;

/// One element type.
pub trait Codec {
    type Element: Element;
    /// The type of sums, for messages.
    const TOTAL: &'static str;

    fn read(&self, value: Datum) -> Self::Element;
    fn write(&self, element: &Self::Element) -> Made;
    /// The element where it is.
    fn view<'e>(&self, element: &'e Self::Element) -> Datum<'e>;
    fn read_array(&self, array: Datum, most: usize, into: &mut Vec<Option<Self::Element>>) -> Result<(), Error>;
    fn write_array(&self, elements: &[Option<Self::Element>]) -> Made;
    fn write_sum(&self, sum: <Self::Element as Element>::Sum) -> Made;
    fn write_mean(&self, mean: <Self::Element as Element>::Mean) -> Made;
    fn heap_bytes(&self, _element: &Self::Element) -> usize {
        0
    }

    /// The array one day on, where that needs no look at single elements.
    fn shift_plain(&self, _history: Datum, _newest: &Self::Element, _size: usize) -> Result<Option<Made>, Error> {
        Ok(None)
    }

    /// The sum of the newest elements, which are not kept: there may be millions. None when there is nothing to sum.
    #[allow(clippy::type_complexity)]
    fn sum_array(
        &self,
        history: Datum,
        most: usize,
    ) -> Result<Option<Result<<Self::Element as Element>::Sum, Overflow>>, Error>;
}

/// Elements of a fixed width that Rust has itself.
pub struct Fixed<T>(PhantomData<T>);

impl<T> Fixed<T> {
    pub const fn new() -> Self {
        Fixed(PhantomData)
    }
}

macro_rules! fixed_codec {
    ($number:ty, $total:literal, $read:expr, $write:expr, $write_sum:expr, $write_mean:expr) => {
        impl Codec for Fixed<$number> {
            type Element = $number;
            const TOTAL: &'static str = $total;

            fn read(&self, value: Datum) -> $number {
                $read(value)
            }

            fn write(&self, element: &$number) -> Made {
                $write(*element)
            }

            fn view<'e>(&self, element: &'e $number) -> Datum<'e> {
                $write(*element)
            }

            fn read_array(&self, array: Datum, most: usize, into: &mut Vec<Option<$number>>) -> Result<(), Error> {
                array::read_fixed(array, most, into)
            }

            fn write_array(&self, elements: &[Option<$number>]) -> Made {
                array::write_fixed(elements)
            }

            fn write_sum(&self, sum: <$number as Element>::Sum) -> Made {
                $write_sum(sum)
            }

            fn write_mean(&self, mean: <$number as Element>::Mean) -> Made {
                $write_mean(mean)
            }

            fn shift_plain(&self, history: Datum, newest: &$number, size: usize) -> Result<Option<Made>, Error> {
                array::with_fixed(history, size - 1, |before| match before {
                    Elements::Present(before) => Some(array::write_plain(*newest, before)),
                    Elements::Mixed(_) => None,
                })
            }

            fn sum_array(
                &self,
                history: Datum,
                most: usize,
            ) -> Result<Option<Result<<$number as Element>::Sum, Overflow>>, Error> {
                array::with_fixed(history, most, |elements| match elements {
                    Elements::Present(values) => (!values.is_empty()).then(|| <$number>::sum(paced(values.iter()))),
                    Elements::Mixed(values) => {
                        let mut present = paced(values).flatten().peekable();
                        present.peek().is_some().then(|| <$number>::sum(present))
                    }
                })
            }
        }
    };
}

fn quotient(mean: Quotient) -> Made {
    numeric::divide(numeric::from_i64(mean.sum), numeric::from_i64(mean.count))
}

fn double(value: f64) -> Made {
    Datum::from(value)
}

fixed_codec!(
    i16,
    "bigint",
    |value: Datum| value.value() as i16,
    |value: i16| Datum::from(value),
    |sum: i64| Datum::from(sum),
    quotient
);
fixed_codec!(
    i32,
    "bigint",
    |value: Datum| value.value() as i32,
    |value: i32| Datum::from(value),
    |sum: i64| Datum::from(sum),
    quotient
);
fixed_codec!(
    i64,
    "bigint",
    |value: Datum| value.value() as i64,
    |value: i64| Datum::from(value),
    |sum: i64| Datum::from(sum),
    quotient
);
fixed_codec!(
    f32,
    "double precision",
    |value: Datum| f32::from_bits(value.value() as u32),
    |value: f32| Datum::from(value.to_bits()),
    double,
    double
);
fixed_codec!(f64, "double precision", |value: Datum| f64::from_bits(value.value() as u64), double, double, double);

/// Elements of any other type, as PostgreSQL stores them.
pub struct Any {
    pub layout: Layout,
}

impl Codec for Any {
    type Element = Image;
    const TOTAL: &'static str = "numeric";

    fn read(&self, value: Datum) -> Image {
        Image::of(self.layout, value)
    }

    fn write(&self, element: &Image) -> Made {
        self.layout.copy(element.datum())
    }

    fn view<'e>(&self, element: &'e Image) -> Datum<'e> {
        element.datum()
    }

    fn read_array(&self, array: Datum, most: usize, into: &mut Vec<Option<Image>>) -> Result<(), Error> {
        array::read_any(array, self.layout, most, into)
    }

    fn write_array(&self, elements: &[Option<Image>]) -> Made {
        array::write_any(self.layout, elements)
    }

    fn write_sum(&self, sum: Image) -> Made {
        self.layout.copy(sum.datum())
    }

    fn write_mean(&self, mean: Image) -> Made {
        self.layout.copy(mean.datum())
    }

    fn heap_bytes(&self, element: &Image) -> usize {
        element.heap_bytes()
    }

    fn sum_array(&self, history: Datum, most: usize) -> Result<Option<Result<Image, Overflow>>, Error> {
        array::with_any(history, self.layout, most, |values| {
            let mut sum = numeric::Sum::default();
            paced(values).flatten().for_each(|value| sum.add(value));
            sum.finish().map(|sum| Ok(Image::of(self.layout, sum)))
        })
    }
}

/// Sums are made of numeric alone: create_table refuses them for other types.
impl Element for Image {
    type Sum = Image;
    type Mean = Image;

    fn sum(values: impl Iterator<Item: Borrow<Image>>) -> Result<Image, Overflow> {
        let mut sum = numeric::Sum::default();
        values.for_each(|value| sum.add(value.borrow().datum()));
        let sum = sum.finish().unwrap_or_else(|| numeric::from_i64(0));
        Ok(Image::of(Layout::NUMERIC, sum))
    }

    fn mean(values: impl Iterator<Item: Borrow<Image>>) -> Result<Image, Overflow> {
        let mut count = 0;
        let sum = Self::sum(values.inspect(|_| count += 1))?;
        let mean = numeric::divide(sum.datum(), numeric::from_i64(count));
        Ok(Image::of(Layout::NUMERIC, mean))
    }
}
