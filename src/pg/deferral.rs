//! Whether a trigger is deferred at the moment, which PostgreSQL tells nobody: SET CONSTRAINTS may have changed it. So an
//! event is queued for it in a subtransaction that is rolled back, with a function of ours in its place: the event is
//! answered at once, or it waits.

use super::table::current_role;
use pgrx::pg_guard;
use pgrx::pg_sys::{self, Datum, Oid};
use std::cell::RefCell;

thread_local! {
    /// Triggers whose event was answered at once.
    static FIRED: RefCell<Vec<Oid>> = const { RefCell::new(Vec::new()) };
}

/// Those of these triggers of a table that are deferred. Nothing that a user wrote is called.
pub fn deferred_among(table: Oid, triggers: &[Oid]) -> Vec<Oid> {
    FIRED.take();
    in_lost_subtransaction(|| {
        // SAFETY: the table is opened and closed; what is allocated goes with the subtransaction.
        unsafe {
            let relation = pg_sys::table_open(table, pg_sys::RowExclusiveLock as i32);
            let estate = pg_sys::CreateExecutorState();
            let target = stand_in(relation, triggers);
            (*estate).es_opened_result_relations = pg_sys::lappend(std::ptr::null_mut(), target.cast());
            pg_sys::AfterTriggerBeginQuery();
            pg_sys::ExecASInsertTriggers(estate, target, std::ptr::null_mut());
            pg_sys::AfterTriggerEndQuery(estate);
            pg_sys::FreeExecutorState(estate);
            pg_sys::table_close(relation, pg_sys::NoLock as i32);
        }
    });
    let fired = FIRED.take();
    triggers.iter().copied().filter(|trigger| !fired.contains(trigger)).collect()
}

/// Runs `work` as the current role, in a subtransaction that is rolled back. Outside of the restricted context, where
/// nothing may be left waiting.
fn in_lost_subtransaction(work: impl FnOnce()) {
    // SAFETY: the roll-back restores role and context; memory and owner are set back as they were.
    unsafe {
        let (context, owner) = (pg_sys::CurrentMemoryContext, pg_sys::CurrentResourceOwner);
        pg_sys::BeginInternalSubTransaction(std::ptr::null());
        pg_sys::SetUserIdAndSecContext(current_role(), pg_sys::SECURITY_LOCAL_USERID_CHANGE as i32);
        work();
        pg_sys::RollbackAndReleaseCurrentSubTransaction();
        pg_sys::MemoryContextSwitchTo(context);
        pg_sys::CurrentResourceOwner = owner;
    }
}

/// A table that has these triggers and no others, each for every INSERT statement and with our function.
///
/// # Safety
/// The relation must be open, and stay so as long as the table is used.
unsafe fn stand_in(relation: pg_sys::Relation, triggers: &[Oid]) -> *mut pg_sys::ResultRelInfo {
    // SAFETY: all that is allocated is zeroed, which is a valid state, and as large as it is used.
    unsafe {
        let all = (*relation).trigdesc;
        let count = if all.is_null() { 0 } else { (*all).numtriggers as usize };
        let wanted =
            (0..count).map(|index| *(*all).triggers.add(index)).filter(|found| triggers.contains(&found.tgoid));
        let wanted: Vec<pg_sys::Trigger> = wanted.collect();
        let descriptor = zeroed::<pg_sys::TriggerDesc>(1);
        (*descriptor).triggers = zeroed::<pg_sys::Trigger>(wanted.len());
        (*descriptor).numtriggers = wanted.len() as i32;
        (*descriptor).trig_insert_after_statement = true;
        let functions = zeroed::<pg_sys::FmgrInfo>(wanted.len());
        for (index, trigger) in wanted.into_iter().enumerate() {
            (*functions.add(index)).fn_oid = HARMLESS.into();
            (*functions.add(index)).fn_addr = Some(note);
            (*functions.add(index)).fn_stats = pg_sys::TrackFunctionsLevel::TRACK_FUNC_ALL as u8;
            *(*descriptor).triggers.add(index) = pg_sys::Trigger {
                tgfoid: HARMLESS.into(),
                tgtype: (pg_sys::TRIGGER_TYPE_INSERT | pg_sys::TRIGGER_TYPE_AFTER) as i16,
                tgenabled: ALWAYS,
                tgqual: std::ptr::null_mut(),
                ..trigger
            };
        }
        let target = zeroed::<pg_sys::ResultRelInfo>(1);
        (*target).type_ = pg_sys::NodeTag::T_ResultRelInfo;
        (*target).ri_RelationDesc = relation;
        (*target).ri_TrigDesc = descriptor;
        (*target).ri_TrigFunctions = functions;
        (*target).ri_TrigWhenExprs = zeroed(count);
        target
    }
}

/// A function that is no foreign or unique key's, for these may be spared an event. It is not called.
const HARMLESS: u32 = pg_sys::F_SUPPRESS_REDUNDANT_UPDATES_TRIGGER;
/// Whatever session_replication_role is.
const ALWAYS: std::ffi::c_char = pg_sys::TRIGGER_FIRES_ALWAYS as std::ffi::c_char;

/// Zeroed memory for some values, at least one.
fn zeroed<T>(count: usize) -> *mut T {
    // SAFETY: a plain allocation in the current memory context.
    unsafe { pg_sys::palloc0(size_of::<T>() * count.max(1)).cast() }
}

/// Stands for the trigger's own function.
#[pg_guard]
unsafe extern "C-unwind" fn note(call: pg_sys::FunctionCallInfo) -> Datum {
    // SAFETY: called by PostgreSQL for a trigger's event only.
    let trigger = unsafe { (*(*(*call).context.cast::<pg_sys::TriggerData>()).tg_trigger).tgoid };
    FIRED.with_borrow_mut(|fired| fired.push(trigger));
    Datum::null()
}
