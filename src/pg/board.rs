//! What launcher, workers and sessions tell each other in shared memory.

use super::process;
use pgrx::lwlock::PgLwLock;
use pgrx::pg_sys::{self, Datum, Oid};
use pgrx::{PGRXSharedMemory, pg_guard, pg_shmem_init};
use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, Ordering};

/// Workers that there can be at once.
pub const MOST_WORKERS: usize = 64;

/// Databases that can ask for a look before all of them get one.
const MOST_ASKED: usize = 64;

/// What a worker found in its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It did not say: it failed before it could.
    Nothing,
    NoExtension,
    /// Nothing more is due.
    Idle,
    /// It left for others, or stayed as long as it may: more is due.
    More,
    /// All that is due takes too long for a light worker.
    Heavy,
}

/// What a worker may take on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    Any,
    /// Nothing that takes long, for others may need the worker soon.
    Light,
}

/// A worker's place.
#[derive(Clone, Copy)]
struct Place {
    database: Oid,
    /// 0 until the worker has begun.
    pid: i32,
    /// Others wait: it should end at its next batch.
    to_leave: bool,
    found: Found,
}

#[derive(Clone, Copy)]
pub struct Board {
    launcher: i32,
    /// A launcher has begun since the server started.
    launched: bool,
    places: [Option<Place>; MOST_WORKERS],
    asked: [Oid; MOST_ASKED],
    asked_count: usize,
    /// No worker could be started: max_worker_processes are in use.
    crowded: bool,
}

impl Default for Board {
    fn default() -> Self {
        Board {
            launcher: 0,
            launched: false,
            places: [None; MOST_WORKERS],
            asked: [Oid::INVALID; MOST_ASKED],
            asked_count: 0,
            crowded: false,
        }
    }
}

// SAFETY: plain data without pointers.
unsafe impl PGRXSharedMemory for Board {}

// SAFETY: the name belongs to this extension.
static BOARD: PgLwLock<Board> = unsafe { PgLwLock::new(c"pg_cumulate") };

/// Whether the library was preloaded, so that the board is there.
static READY: AtomicBool = AtomicBool::new(false);

/// Asks for the shared memory; while libraries are preloaded.
#[allow(unexpected_cfgs)] // The macro asks for versions that we have no features for.
pub fn reserve() {
    pg_shmem_init!(BOARD);
    READY.store(true, Ordering::Relaxed);
}

pub fn is_ready() -> bool {
    READY.load(Ordering::Relaxed)
}

/// This process is the launcher, until it ends.
pub fn enter_launcher() {
    let mut board = BOARD.exclusive();
    board.launcher = super::identity::pid();
    board.launched = true;
    drop(board);
    process::at_exit(Some(leave_launcher));
}

#[pg_guard]
unsafe extern "C-unwind" fn leave_launcher(_code: c_int, _argument: Datum) {
    let mut board = BOARD.exclusive();
    if board.launcher == super::identity::pid() {
        board.launcher = 0;
    }
}

/// The launcher, when one is running.
pub fn launcher() -> Option<i32> {
    if !is_ready() {
        return None;
    }
    let pid = BOARD.share().launcher;
    process::is_alive(pid).then_some(pid)
}

/// Whether there has been a launcher since the server started.
pub fn has_launched() -> bool {
    is_ready() && BOARD.share().launched
}

/// Has the launcher look at a database at once.
pub fn ask(database: Oid) {
    if !is_ready() {
        return;
    }
    let mut board = BOARD.exclusive();
    let count = board.asked_count.min(MOST_ASKED);
    if !board.asked[..count].contains(&database) {
        if count < MOST_ASKED {
            board.asked[count] = database;
        }
        // One more than there is room for stands for all.
        board.asked_count = count + 1;
    }
    let launcher = board.launcher;
    drop(board);
    process::wake(launcher);
}

/// Which databases have asked.
pub enum Asked {
    These(Vec<Oid>),
    All,
}

/// Takes what has been asked.
pub fn take_asked() -> Asked {
    let mut board = BOARD.exclusive();
    let count = std::mem::take(&mut board.asked_count);
    if count > MOST_ASKED { Asked::All } else { Asked::These(board.asked[..count].to_vec()) }
}

/// Reserves a place for a worker in `database`.
pub fn reserve_place(database: Oid) -> Option<usize> {
    let mut board = BOARD.exclusive();
    let place = board.places.iter().position(Option::is_none)?;
    board.places[place] = Some(Place { database, pid: 0, to_leave: false, found: Found::Nothing });
    Some(place)
}

/// Frees a place; what its worker had found.
pub fn clear_place(place: usize) -> Found {
    let mut board = BOARD.exclusive();
    board.places[place].take().map_or(Found::Nothing, |place| place.found)
}

/// How many workers an earlier launcher has left behind, which leave at their next batch; places of those that have
/// ended become free.
pub fn orphans(own: &[usize]) -> usize {
    let mut board = BOARD.exclusive();
    let others = board.places.iter_mut().enumerate().filter(|(index, _)| !own.contains(index));
    let mut left = 0;
    for (_, place) in others {
        *place = place.filter(|place| process::is_alive(place.pid)).map(|place| Place { to_leave: true, ..place });
        left += usize::from(place.is_some());
    }
    left
}

/// Has the worker of a place end at its next batch.
pub fn have_leave(place: usize, database: Oid) {
    change_place(place, database, |place| place.to_leave = true);
}

/// Whether the worker of a place should end: it was told to, or nobody knows of it any more.
pub fn is_to_leave(place: usize, database: Oid) -> bool {
    let place = BOARD.share().places.get(place).copied().flatten();
    place.filter(|place| place.database == database).is_none_or(|place| place.to_leave)
}

/// This process is the worker of a place.
pub fn enter_place(place: usize, database: Oid) {
    change_place(place, database, |place| place.pid = super::identity::pid());
}

/// Says what the worker of a place has found.
pub fn report(place: usize, database: Oid, found: Found) {
    change_place(place, database, |place| place.found = found);
}

fn change_place(place: usize, database: Oid, change: impl FnOnce(&mut Place)) {
    let mut board = BOARD.exclusive();
    if let Some(place) = board.places.get_mut(place).and_then(Option::as_mut).filter(|place| place.database == database)
    {
        change(place);
    }
}

/// Says whether a worker could be started; whether that is news.
pub fn set_crowded(crowded: bool) -> bool {
    let mut board = BOARD.exclusive();
    std::mem::replace(&mut board.crowded, crowded) != crowded
}

pub fn is_crowded() -> bool {
    is_ready() && BOARD.share().crowded
}
