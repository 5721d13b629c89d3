//! Rows of a running query, handed to Rust one by one as the executor makes them.

use super::border::mistaken;
use super::convert::Read;
use super::memory::Arena;
use super::value::Datum;
use super::version;
use crate::error::Error;
use pgrx::pg_guard;
use pgrx::pg_sys;
use std::ffi::c_int;
use std::marker::PhantomData;
use std::ops::ControlFlow;

/// One row of a query: it is there until the next one, as is what is allocated while it is looked at.
pub struct Row<'r> {
    slot: *mut pg_sys::TupleTableSlot,
    _until_the_next: PhantomData<&'r ()>,
}

impl<'r> Row<'r> {
    /// The value of column `index` (from 0), None for NULL.
    #[inline]
    pub fn datum(&self, index: usize) -> Option<Datum<'r>> {
        // SAFETY: the receiver deformed all columns.
        unsafe {
            let slot = &*self.slot;
            if index >= slot.tts_nvalid as usize {
                self.without(index);
            }
            (!*slot.tts_isnull.add(index)).then(|| Datum::of(*slot.tts_values.add(index)))
        }
    }

    #[cold]
    fn without(&self, index: usize) -> ! {
        mistaken(&format!("a statement has no column {index}"))
    }

    /// The value of a column that is never NULL.
    #[inline]
    pub fn some(&self, index: usize) -> Datum<'r> {
        self.datum(index).unwrap_or_else(|| mistaken(&format!("column {index} of a statement is NULL")))
    }

    /// The value of column `index`, converted. A column of another type is a mistake of ours.
    pub fn get<T: Read>(&self, index: usize) -> Option<T> {
        let value = self.datum(index);
        // SAFETY: there is such a column, which is counted from 1 here.
        let found = unsafe { (*version::attribute((*self.slot).tts_tupleDescriptor, index as i16 + 1)).atttypid };
        if found != T::TYPE {
            let (found, wanted) = (found.to_u32(), T::TYPE.to_u32());
            mistaken(&format!("column {index} of a statement has type {found}, not {wanted}"));
        }
        // SAFETY: the type is the column's own.
        value.map(|value| unsafe { T::read(value) })
    }
}

/// What a statement does with its rows; a break or an error stops the query.
pub type EachRow<'a> = &'a mut dyn FnMut(Row<'_>) -> Result<ControlFlow<()>, Error>;

/// A DestReceiver that calls a closure; its first field is what the executor knows.
#[repr(C)]
pub struct Receiver<'a> {
    head: pg_sys::DestReceiver,
    each: EachRow<'a>,
    /// What looking at a row allocates; the query's own memory lives until its end.
    row: Arena,
    pub failure: Option<Error>,
}

impl<'a> Receiver<'a> {
    pub fn new(each: EachRow<'a>) -> Self {
        Receiver {
            head: pg_sys::DestReceiver {
                receiveSlot: Some(receive),
                rStartup: Some(startup),
                rShutdown: Some(ignore),
                rDestroy: Some(ignore),
                mydest: pg_sys::CommandDest::DestTuplestore,
            },
            each,
            row: Arena::new(),
            failure: None,
        }
    }

    pub fn as_dest(&mut self) -> *mut pg_sys::DestReceiver {
        std::ptr::from_mut(self).cast()
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn receive(slot: *mut pg_sys::TupleTableSlot, head: *mut pg_sys::DestReceiver) -> bool {
    // SAFETY: the executor passes back the receiver it was given, which outlives the query, and a filled slot.
    unsafe {
        let receiver = &mut *head.cast::<Receiver>();
        let columns = (*(*slot).tts_tupleDescriptor).natts;
        if c_int::from((*slot).tts_nvalid) < columns {
            pg_sys::slot_getsomeattrs_int(slot, columns);
        }
        let result = receiver.row.enter(|| (receiver.each)(Row { slot, _until_the_next: PhantomData }));
        receiver.row.reset();
        match result {
            Ok(flow) => flow.is_continue(),
            Err(error) => {
                receiver.failure = Some(error);
                false
            }
        }
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn startup(_head: *mut pg_sys::DestReceiver, _operation: c_int, _columns: pg_sys::TupleDesc) {}

#[pg_guard]
unsafe extern "C-unwind" fn ignore(_head: *mut pg_sys::DestReceiver) {}
