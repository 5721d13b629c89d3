//! Memory contexts with an owner: deleted when dropped, or by PostgreSQL when the transaction fails.

use pgrx::pg_sys;

/// A private memory context that lives until it is dropped, or the (sub)transaction ends.
pub struct Arena {
    context: pg_sys::MemoryContext,
}

impl Arena {
    /// Not below the current context: inside a running query that is emptied with every row.
    pub fn new() -> Self {
        // SAFETY: inside a transaction CurTransactionContext is valid; the name is a static C string.
        let context = unsafe {
            pg_sys::AllocSetContextCreateInternal(
                pg_sys::CurTransactionContext,
                c"pg_cumulate".as_ptr(),
                pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
                pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
            )
        };
        Arena { context }
    }

    /// Runs `work` with this context as the current one.
    #[inline]
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        // SAFETY: the context lives as long as self; an error that unwinds past us is followed by
        // PostgreSQL setting the current context itself.
        unsafe {
            let before = pg_sys::MemoryContextSwitchTo(self.context);
            let result = work();
            pg_sys::MemoryContextSwitchTo(before);
            result
        }
    }

    /// The bytes that it has taken from the system.
    pub fn size(&self) -> usize {
        // SAFETY: the context is valid.
        unsafe { (*self.context).mem_allocated }
    }

    /// Frees everything that was allocated in it.
    #[inline]
    pub fn reset(&self) {
        // SAFETY: the context is valid and nothing of it is used after a reset, by contract of the callers.
        unsafe {
            // Most often nothing was, and that is seen without a call.
            if !(*self.context).isReset || !(*self.context).firstchild.is_null() {
                pg_sys::MemoryContextReset(self.context);
            }
        }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // While a PostgreSQL error unwinds, the abort frees the context and its parents itself.
        if !std::thread::panicking() {
            // SAFETY: the context was made by us and is deleted once.
            unsafe { pg_sys::MemoryContextDelete(self.context) }
        }
    }
}
