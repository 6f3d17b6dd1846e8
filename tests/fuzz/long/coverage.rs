//! Which branches an input reached, and what it was compared with: LLVM's `SanitizerCoverage` calls these functions, and
//! counts in memory of its own. Without instrumentation nobody calls them, and nothing is reached.

use std::{
    ptr, slice,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Counters of one piece of the program: address and length.
static PIECES: Mutex<Vec<(usize, usize)>> = Mutex::new(Vec::new());

/// Comparisons with a constant that were not equal: the constant and what was there. Later ones replace earlier ones.
const COMPARED: usize = 512;
static CONSTANTS: [(AtomicUsize, AtomicUsize); COMPARED] =
    [const { (AtomicUsize::new(0), AtomicUsize::new(0)) }; COMPARED];
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Called by each piece of instrumented code at its start (`SanitizerCoverage`, "Inline 8bit-counters").
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_8bit_counters_init(start: *mut u8, stop: *mut u8) {
    let piece = (start.expose_provenance(), stop.addr().saturating_sub(start.addr()));
    let mut pieces = PIECES.lock().unwrap();
    if piece.1 > 0 && !pieces.contains(&piece) {
        pieces.push(piece);
    }
}

fn compared(constant: u64, found: u64) {
    if constant == found || constant < 0x100 {
        return;
    }
    let (Ok(constant), Ok(found)) = (usize::try_from(constant), usize::try_from(found)) else { return };
    let (first, second) = &CONSTANTS[NEXT.fetch_add(1, Ordering::Relaxed) % COMPARED];
    first.store(constant, Ordering::Relaxed);
    second.store(found, Ordering::Relaxed);
}

/// "Tracing data flow" of `SanitizerCoverage`: the first argument is the constant.
macro_rules! traced {
    ($($name:ident: $kind:ty),*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name(first: $kind, second: $kind) {
                compared(first.into(), second.into());
            }
        )*
    };
}

traced!(
    __sanitizer_cov_trace_cmp1: u8,
    __sanitizer_cov_trace_cmp2: u16,
    __sanitizer_cov_trace_cmp4: u32,
    __sanitizer_cov_trace_cmp8: u64,
    __sanitizer_cov_trace_const_cmp1: u8,
    __sanitizer_cov_trace_const_cmp2: u16,
    __sanitizer_cov_trace_const_cmp4: u32,
    __sanitizer_cov_trace_const_cmp8: u64
);

/// The cases of a `switch`: their number, the bits of the value, then each.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_trace_switch(_value: u64, _cases: *const u64) {}

/// What all inputs together have reached.
pub(crate) struct Coverage {
    /// For each counter the sizes of counts that were seen, as bits.
    seen: Vec<u8>,
}

impl Coverage {
    pub(crate) fn new() -> Self {
        let all = PIECES.lock().unwrap().iter().map(|(_, length)| length).sum();
        Self { seen: vec![0; all] }
    }

    /// Whether something was reached since the last [`reset`] that no input reached before.
    pub(crate) fn learn(&mut self) -> bool {
        let mut is_new = false;
        each(|offset, counters| {
            for (seen, count) in
                self.seen[offset..].iter_mut().zip(counters.iter()).filter(|(_, count)| **count > 0)
            {
                let bit = size(*count);
                is_new |= *seen & bit == 0;
                *seen |= bit;
            }
        });
        is_new
    }

    /// How many of all.
    pub(crate) fn reached(&self) -> (usize, usize) {
        (self.seen.iter().filter(|seen| **seen > 0).count(), self.seen.len())
    }
}

pub(crate) fn reset() {
    each(|_, counters| counters.fill(0));
}

/// Puts a constant where the program found another value that stands in the input.
pub(crate) fn aim(input: &mut [u8], choice: usize) {
    let (constant, found) = &CONSTANTS[choice % COMPARED];
    let (constant, found) = (constant.load(Ordering::Relaxed), found.load(Ordering::Relaxed));
    for width in [8, 4, 2] {
        let bits = 8 * width;
        if width < 8 && (constant >> bits != 0 || found >> bits != 0) {
            continue;
        }
        let (to, from) = (&constant.to_le_bytes()[..width], &found.to_le_bytes()[..width]);
        let places: Vec<usize> =
            input.windows(width).enumerate().filter(|(_, bytes)| *bytes == from).map(|(at, _)| at).collect();
        if let Some(at) = places.get(choice / COMPARED % places.len().max(1)) {
            input[*at..*at + width].copy_from_slice(to);
            return;
        }
    }
}

/// Counts of one size say the same: 1, 2, 3, up to 7, 15, 31, 127, more.
fn size(count: u8) -> u8 {
    match count {
        0 => 0,
        1 => 1,
        2 => 2,
        3 => 4,
        4..=7 => 8,
        8..=15 => 16,
        16..=31 => 32,
        32..=127 => 64,
        128.. => 128,
    }
}

/// Hands over all counters, piece by piece, each with the number of those before it.
fn each(mut take: impl FnMut(usize, &mut [u8])) {
    let mut before = 0;
    for (start, length) in PIECES.lock().unwrap().iter().copied() {
        // SAFETY: the instrumented program itself told that its counters lie there; they are never given back. This thread
        // alone runs instrumented code that matters, and a count that another adds meanwhile is a byte as good as the old.
        let counters = unsafe { slice::from_raw_parts_mut(ptr::with_exposed_provenance_mut(start), length) };
        take(before, counters);
        before += length;
    }
}
