//! The deadline of the scan that runs on this thread.
//!
//! SQLite asks it every few thousand steps. It is per thread and not per connection because a scan
//! thread runs one scan at a time on a connection that never leaves it.
use std::cell::{Cell, RefCell};
use std::ffi::{c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Steps of SQLite's virtual machine between two looks at the clock: well under a millisecond.
pub(super) const STEPS: c_int = 4000;

struct Limit {
    deadline: Instant,
    given_up: Arc<AtomicBool>,
}

thread_local! {
    static SCAN_THREAD: Cell<bool> = const { Cell::new(false) };
    static LIMIT: RefCell<Option<Limit>> = const { RefCell::new(None) };
}

/// Declares that this thread runs nothing but scans.
pub(super) fn enter_scan_thread() {
    SCAN_THREAD.set(true);
}

pub(super) fn on_a_scan_thread() -> bool {
    SCAN_THREAD.get()
}

/// Runs a scan that SQLite breaks off at the deadline, or once `given_up` is set.
pub(super) fn with<T>(deadline: Instant, given_up: Arc<AtomicBool>, scan: impl FnOnce() -> T) -> T {
    LIMIT.set(Some(Limit { deadline, given_up }));
    let value = scan();
    LIMIT.set(None);
    value
}

/// SQLite's progress handler: anything but 0 breaks the statement off.
pub(super) extern "C" fn is_over(_: *mut c_void) -> c_int {
    LIMIT.with_borrow(|limit| match limit {
        Some(limit) => c_int::from(limit.given_up.load(Ordering::Relaxed) || Instant::now() >= limit.deadline),
        None => 0,
    })
}
