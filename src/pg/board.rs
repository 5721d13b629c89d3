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
    /// More is due, the oldest of it since then (microseconds since 1970).
    More(i64),
}

/// A worker's place.
#[derive(Clone, Copy)]
struct Place {
    database: Oid,
    /// 0 until the worker has begun.
    pid: i32,
    found: Found,
}

#[derive(Clone, Copy)]
pub struct Board {
    launcher: i32,
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
    BOARD.exclusive().launcher = super::identity::pid();
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
    board.places[place] = Some(Place { database, pid: 0, found: Found::Nothing });
    Some(place)
}

/// Frees a place; what its worker had found.
pub fn clear_place(place: usize) -> Found {
    let mut board = BOARD.exclusive();
    board.places[place].take().map_or(Found::Nothing, |place| place.found)
}

/// Workers that an earlier launcher has left behind, by their databases; places of those that have ended become free.
pub fn orphans(own: &[usize]) -> Vec<Oid> {
    let mut board = BOARD.exclusive();
    for index in (0..MOST_WORKERS).filter(|index| !own.contains(index)) {
        if board.places[index].is_some_and(|place| !process::is_alive(place.pid)) {
            board.places[index] = None;
        }
    }
    let left = board.places.iter().enumerate().filter(|(index, _)| !own.contains(index));
    left.filter_map(|(_, place)| place.map(|place| place.database)).collect()
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
