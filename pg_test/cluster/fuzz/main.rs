//! Every function and procedure of the public surface, called with random and hostile values: answered, or refused by a
//! clean error; no crash, no panic, no growing memory, and the law holds afterwards.
//!
//! `PG_CUMULATE_FUZZ_SEED` chooses the seed, which is printed with the table of what was called, and
//! `PG_CUMULATE_FUZZ_CALLS` the calls of each function; 1000 of them make 100,000 calls in all.

mod call;
mod campaign;
mod hostile;
mod memory;
mod surface;
mod tally;
mod values;
mod words;
mod world;

#[test]
fn every_function_answers_hostile_calls_by_a_result_or_a_clean_error() {
    campaign::run();
}

#[test]
fn ten_thousand_calls_leave_the_memory_of_a_session_as_it_was() {
    memory::run();
}
