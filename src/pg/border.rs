//! Errors on their way across the border between PostgreSQL's C and Rust. pgrx takes their texts for UTF-8 both ways; here
//! they keep the letters that they have in the server's encoding.

use super::encoding::{ServerText, from_server_in_trouble};
use crate::error::{Error, Report};
use pgrx::pg_sys::panic::{CaughtError, ErrorReport, pgrx_extern_c_guard};
use pgrx::pg_sys::{self, ErrorContextCallback};
use pgrx::{PgLogLevel, PgSqlErrorCode, PgTryBuilder};
use std::any::Any;
use std::cell::{RefCell, UnsafeCell};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Does the work of a function that PostgreSQL calls; an error of it becomes PostgreSQL's. Every way from PostgreSQL into
/// Rust on which an error with letters can go back leads through here.
#[inline]
pub fn cross<T>(work: impl FnOnce() -> Result<T, Error>) -> T {
    done_or_report(work).unwrap_or_else(|report| leave(*report))
}

/// As `cross`, for a function that PostgreSQL calls without a guard of pgrx around it.
#[inline]
pub fn outermost<T>(work: impl FnOnce() -> Result<T, Error>) -> T {
    done_or_report(work).unwrap_or_else(|report| raise(*report))
}

#[inline]
fn done_or_report<T>(work: impl FnOnce() -> Result<T, Error>) -> Result<T, Box<Report>> {
    // A result is moved on its way out of a catch, and what an error says is large.
    match attempt(|| work().map_err(|error| Box::new(error.report()))) {
        Ok(done) => done,
        Err(caught) => Err(Box::new(caught.report)),
    }
}

#[cold]
fn raise(report: Report) -> ! {
    // SAFETY: no frame of Rust below this one owns anything any more.
    unsafe { pgrx_extern_c_guard(|| leave(report)) }
}

/// An error that was raised by what Rust has called.
pub struct Caught {
    pub report: Report,
    error: CaughtError,
}

impl Caught {
    /// Lets it go on as if nobody had caught it.
    pub fn rethrow(self: Box<Self>) -> ! {
        self.error.rethrow()
    }
}

/// Does work; an error that is raised meanwhile comes back. The caller must end the (sub)transaction with it, for nothing
/// has been cleaned up.
#[inline]
pub fn attempt<T>(work: impl FnOnce() -> T) -> Result<T, Box<Caught>> {
    let watch = Entry::new(remember);
    let _watching = watch.push();
    catch_unwind(AssertUnwindSafe(work)).map_err(caught)
}

#[cold]
fn caught(panic: Box<dyn Any + Send>) -> Box<Caught> {
    // pgrx alone knows all forms that an error has on its way.
    PgTryBuilder::new(AssertUnwindSafe(|| resume_unwind(panic)))
        .catch_others(|error| Box::new(Caught { report: report_of(&error), error }))
        .execute()
}

/// What an error says: as PostgreSQL has raised it, where pgrx has lost letters.
fn report_of(error: &CaughtError) -> Report {
    let read = match error {
        CaughtError::PostgresError(read) | CaughtError::ErrorReport(read) => read,
        CaughtError::RustPanic { ereport, .. } => ereport,
    };
    let raised = LAST.with_borrow(|last| {
        let last = last.as_ref().filter(|last| last.reads(read.sql_error_code() as c_int, read.message().as_bytes()));
        last.map(|last| last.texts.clone().map(|text| text.map(|text| from_server_in_trouble(text.bytes()))))
    });
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let [message, detail, hint] =
        raised.unwrap_or_else(|| [owned(Some(read.message())), owned(read.detail()), owned(read.hint())]);
    Report { code: read.sql_error_code(), message: message.unwrap_or_default(), detail, hint }
}

/// An error in the server's encoding: SQLSTATE; message, DETAIL and HINT.
struct Raised {
    code: c_int,
    texts: [Option<ServerText>; 3],
}

impl Raised {
    /// Whether pgrx reads it like that.
    fn reads(&self, code: c_int, message: &[u8]) -> bool {
        let own = self.texts[0].as_ref().map_or(&[][..], ServerText::bytes);
        self.code == code && (own == message || String::from_utf8_lossy(own).as_bytes() == message)
    }
}

thread_local! {
    /// The last error that was raised by what Rust has called.
    static LAST: RefCell<Option<Raised>> = const { RefCell::new(None) };
    /// The error that is about to go back to PostgreSQL, and its message as pgrx raises it.
    static LEAVING: RefCell<Option<(String, Raised)>> = const { RefCell::new(None) };
    /// Gives it its letters. One is enough, for whoever catches the error takes it off the stack.
    static GIVER: Entry = const { Entry::new(give_letters) };
}

/// Goes back to PostgreSQL with an error. pgrx raises it when the last frame of Rust has been left.
fn leave(report: Report) -> ! {
    let code = report.code as c_int;
    let text = |text: &str| ServerText::for_message(text);
    let texts = [Some(text(&report.message)), report.detail.as_deref().map(text), report.hint.as_deref().map(text)];
    LEAVING.set(Some((report.message.clone(), Raised { code, texts })));
    GIVER.with(|giver| std::mem::forget(giver.push()));
    let as_utf8 = ErrorReport::new(report.code, report.message, "pg_cumulate");
    let as_utf8 = report.detail.into_iter().fold(as_utf8, |report, detail| report.set_detail(detail));
    let as_utf8 = report.hint.into_iter().fold(as_utf8, |report, hint| report.set_hint(hint));
    resume_unwind(Box::new(as_utf8))
}

/// Ends the statement for a mistake of ours.
#[cold]
pub fn mistaken(how: &str) -> ! {
    let code = PgSqlErrorCode::ERRCODE_INTERNAL_ERROR;
    resume_unwind(Box::new(ErrorReport::new(code, how.to_owned(), "pg_cumulate")))
}

/// An entry of the stack of functions that PostgreSQL calls for each error before it jumps.
struct Entry(UnsafeCell<ErrorContextCallback>);

impl Entry {
    const fn new(callback: unsafe extern "C-unwind" fn(*mut c_void)) -> Self {
        let (previous, arg) = (std::ptr::null_mut(), std::ptr::null_mut());
        Entry(UnsafeCell::new(ErrorContextCallback { previous, callback: Some(callback), arg }))
    }

    /// Puts it on the stack until the answer is dropped.
    fn push(&self) -> Pushed<'_> {
        // SAFETY: a global of the process's only thread; the entry stays where it is while it is borrowed.
        unsafe {
            (*self.0.get()).previous = pg_sys::error_context_stack;
            pg_sys::error_context_stack = self.0.get();
        }
        Pushed(self)
    }
}

struct Pushed<'a>(&'a Entry);

impl Drop for Pushed<'_> {
    fn drop(&mut self) {
        // SAFETY: as above; what came on top of it is gone, also when an error goes through here.
        unsafe { pg_sys::error_context_stack = (*self.0.0.get()).previous };
    }
}

// As C calls them: an error in one of these goes on to whoever waits for the first.
unsafe extern "C-unwind" {
    fn AllocSetContextCreateInternal(
        parent: pg_sys::MemoryContext,
        name: *const c_char,
        least: usize,
        first: usize,
        most: usize,
    ) -> pg_sys::MemoryContext;
    fn MemoryContextDelete(context: pg_sys::MemoryContext);
    fn CopyErrorData() -> *mut pg_sys::ErrorData;
    fn errmsg_internal(format: *const c_char, ...) -> c_int;
    fn errdetail_internal(format: *const c_char, ...) -> c_int;
    fn errhint(format: *const c_char, ...) -> c_int;
}

/// Keeps an error's texts, for pgrx reads them in its own way.
unsafe extern "C-unwind" fn remember(_: *mut c_void) {
    // SAFETY: called by PostgreSQL for the error that it is about to raise.
    let Some(raised) = (unsafe { raised_now() }) else { return };
    let kept = LAST.try_with(|last| {
        let Ok(mut last) = last.try_borrow_mut() else { return };
        let message = raised.texts[0].as_ref().map_or(&[][..], ServerText::bytes);
        // One that has gone through Rust comes again, without its letters.
        if !last.as_ref().is_some_and(|last| last.reads(raised.code, message)) {
            *last = Some(raised);
        }
    });
    // A process that ends keeps nothing.
    _ = kept;
}

/// Puts the letters into the error that pgrx raises for one of ours.
unsafe extern "C-unwind" fn give_letters(_: *mut c_void) {
    // SAFETY: as above; all texts are copied.
    unsafe {
        let Some(now) = raised_now() else { return };
        let Ok(Some((sent, error))) = LEAVING.try_with(RefCell::take) else { return };
        let is_that = error.code == now.code && now.texts[0].as_ref().map(ServerText::bytes) == Some(sent.as_bytes());
        drop((now, sent));
        if !is_that {
            return;
        }
        // Without memory these raise another error, which jumps over this.
        let mut error = ManuallyDrop::new(error);
        let setters = [errmsg_internal, errdetail_internal, errhint];
        for (set, text) in setters.into_iter().zip(error.texts.iter()) {
            if let Some(text) = text {
                set(c"%s".as_ptr(), text.as_c_str().as_ptr());
            }
        }
        ManuallyDrop::drop(&mut error);
    }
}

/// The error that is being raised; None for what is a message only.
///
/// # Safety
/// In a function that PostgreSQL calls for it.
unsafe fn raised_now() -> Option<Raised> {
    // SAFETY: by contract; the copy goes with its context, for not all of it can be freed alone.
    unsafe {
        let before = pg_sys::CurrentMemoryContext;
        let (least, first) = (pg_sys::ALLOCSET_SMALL_MINSIZE as usize, pg_sys::ALLOCSET_SMALL_INITSIZE as usize);
        let most = pg_sys::ALLOCSET_SMALL_MAXSIZE as usize;
        let own = AllocSetContextCreateInternal(pg_sys::ErrorContext, c"pg_cumulate".as_ptr(), least, first, most);
        pg_sys::CurrentMemoryContext = own;
        let copy = CopyErrorData();
        pg_sys::CurrentMemoryContext = before;
        let error = &*copy;
        let text = |text: *const c_char| (!text.is_null()).then(|| ServerText::copy(CStr::from_ptr(text).to_bytes()));
        let raised = (error.elevel >= PgLogLevel::ERROR as c_int).then(|| Raised {
            code: error.sqlerrcode,
            texts: [text(error.message), text(error.detail), text(error.hint)],
        });
        MemoryContextDelete(own);
        raised
    }
}
