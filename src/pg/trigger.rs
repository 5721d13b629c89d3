//! What a trigger function is told.

use super::value::Datum;
use pgrx::pg_sys::{self, FunctionCallInfo, Oid};
use std::ffi::CStr;
use std::marker::PhantomData;

/// The event of a row or statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Insert,
    Update,
    Delete,
    Truncate,
}

/// A call of a trigger function.
pub struct Trigger {
    data: *mut pg_sys::TriggerData,
}

impl Trigger {
    /// None when the function was not called as an AFTER trigger, for each row or for TRUNCATE.
    pub fn of(call: FunctionCallInfo) -> Option<Self> {
        // SAFETY: the context of a call is a node, or null.
        unsafe {
            let context = (*call).context;
            if context.is_null() || (*context).type_ != pg_sys::NodeTag::T_TriggerData {
                return None;
            }
            let trigger = Trigger { data: context.cast() };
            let event = (*trigger.data).tg_event;
            let for_row = event & pg_sys::TRIGGER_EVENT_ROW != 0;
            let after = event & pg_sys::TRIGGER_EVENT_TIMINGMASK == pg_sys::TRIGGER_EVENT_AFTER;
            (after && for_row != (trigger.event() == Event::Truncate)).then_some(trigger)
        }
    }

    /// Whether a column of the table still has this number, name and type.
    pub fn has_column(&self, number: i16, name: &CStr, type_oid: Oid) -> bool {
        // SAFETY: the relation is open during the call; attributes are counted from 1.
        unsafe {
            let columns = (*(*self.data).tg_relation).rd_att;
            if i32::from(number) > (*columns).natts {
                return false;
            }
            let column = super::version::attribute(columns, number);
            !(*column).attisdropped
                && (*column).atttypid == type_oid
                && CStr::from_ptr((*column).attname.data.as_ptr()) == name
        }
    }

    pub fn event(&self) -> Event {
        // SAFETY: the data is valid during the call.
        match unsafe { (*self.data).tg_event } & pg_sys::TRIGGER_EVENT_OPMASK {
            pg_sys::TRIGGER_EVENT_INSERT => Event::Insert,
            pg_sys::TRIGGER_EVENT_UPDATE => Event::Update,
            pg_sys::TRIGGER_EVENT_DELETE => Event::Delete,
            _ => Event::Truncate,
        }
    }

    /// The table or partition that the row is in.
    pub fn table(&self) -> Oid {
        // SAFETY: the relation is open during the call.
        unsafe { (*(*self.data).tg_relation).rd_id }
    }

    /// The trigger's first argument, if it is a number.
    pub fn argument(&self) -> Option<i64> {
        // SAFETY: a trigger with tgnargs arguments has as many C strings.
        unsafe {
            let trigger = (*self.data).tg_trigger;
            let first = ((*trigger).tgnargs > 0).then(|| CStr::from_ptr(*(*trigger).tgargs))?;
            first.to_str().ok()?.parse().ok()
        }
    }

    /// Calls `read` with the rows of the event: the old one, the new one, or both.
    pub fn rows(&self, mut read: impl FnMut(TriggerRow<'_>)) {
        // SAFETY: for row events the slots are filled: the only row, or the old row and the new one.
        unsafe {
            match self.event() {
                Event::Insert | Event::Delete => read(TriggerRow::of((*self.data).tg_trigslot)),
                Event::Update => {
                    read(TriggerRow::of((*self.data).tg_trigslot));
                    read(TriggerRow::of((*self.data).tg_newslot));
                }
                Event::Truncate => {}
            }
        }
    }
}

/// A row of a trigger's event.
pub struct TriggerRow<'r> {
    slot: *mut pg_sys::TupleTableSlot,
    _during_the_call: PhantomData<&'r ()>,
}

impl<'r> TriggerRow<'r> {
    /// # Safety
    /// A filled slot of a row event, which stays so as long as the lifetime says.
    unsafe fn of(slot: *mut pg_sys::TupleTableSlot) -> Self {
        TriggerRow { slot, _during_the_call: PhantomData }
    }

    /// The value of a column by its number (from 1); None for NULL.
    pub fn value(&self, column: i16) -> Option<Datum<'r>> {
        let mut null = false;
        // SAFETY: the slot is filled, and the column exists in its table.
        unsafe {
            let value = pg_sys::slot_getattr(self.slot, column.into(), &mut null);
            (!null).then(|| Datum::of(value))
        }
    }
}
