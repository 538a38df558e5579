//! What answering costs a core without the kernel, by the number of names it holds: parse, decide
//! and write of random names, so that the caches hold as little of the index as they do in use. It
//! prints, and nothing depends on how fast it is.
//!
//! `cargo bench --bench answering`: one line for each size, the median of several passes.

mod large_world;

use std::hint::black_box;
use std::time::Instant;

use containerdns::index::AHEAD_MAX;
use containerdns::table::rtype;
use large_world::{RESPONSE_BYTES, numbered, query, respond, world};

/// The server's, which decides how nodes lie beside each other.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZES: &[usize] = &[1, 1_000, 50_000, 1_000_000];
/// Messages asked in turn: many more than the caches hold of the index.
const MESSAGES: usize = 200_000;
const PASSES: usize = 9;

fn main() {
    let sizes: Vec<usize> = std::env::args()
        .filter_map(|size| size.parse().ok())
        .collect();
    for &names in if sizes.is_empty() { SIZES } else { &sizes } {
        say(names, &mut pass_times_ns(names));
    }
}

fn pass_times_ns(names: usize) -> Vec<f64> {
    let mut world = world(names, Vec::new());
    let mut random = fastrand_like(1);
    let messages: Vec<Vec<u8>> = (0..MESSAGES)
        .map(|_| query(&numbered(random() as usize % names), rtype::A, false))
        .collect();
    let mut response = [0; RESPONSE_BYTES];
    let mut pass = || {
        let began = Instant::now();
        for group in messages.chunks(AHEAD_MAX) {
            world.look_ahead(group.iter().map(|message| &message[..]));
            for (place, message) in group.iter().enumerate() {
                black_box(respond(&mut world, message, Some(place), &mut response));
            }
        }
        began.elapsed().as_nanos() as f64 / MESSAGES as f64
    };
    (0..PASSES).map(|_| pass()).collect()
}

/// Numbers of a linear congruential generator (Knuth's MMIX), the upper half of each.
fn fastrand_like(seed: u64) -> impl FnMut() -> u32 {
    let mut state = seed;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    }
}

#[expect(clippy::print_stdout, reason = "a bench prints its figures")]
fn say(names: usize, times_ns: &mut [f64]) {
    times_ns.sort_by(f64::total_cmp);
    let [median, best] = [times_ns[times_ns.len() / 2], times_ns[0]];
    println!("{names:>9} names: {median:.0} ns a query (best pass {best:.0})");
}
