//! Who looks after the server: ends pauses, and tries at once what waits for its next try.

use crate::session::{Failure, Session};
use crate::stage::WITNESS;
use crate::tables::ANEW;
use crate::world::World;
use pg_cumulate_tests::Dice;

/// Failures in a row that are waited for; then the table is tried at once.
const PATIENCE: u32 = 3;

pub fn resume(world: &World, _: Dice) {
    let mut session = Session::new(world, WITNESS);
    while !world.is_over() {
        let paused = session.lines(
            "look",
            &format!(
                "SELECT target, coalesce(reason, '') FROM cumulate.schedules
                 WHERE state = 'paused' OR failures >= {PATIENCE}"
            ),
        );
        for line in paused.unwrap_or_default() {
            let (target, reason) = line.split_once('|').expect("two columns");
            // Five runs in a row were cancelled or took too long: nothing else may pause a table.
            if !reason.is_empty() && !reason.ends_with("(57014)") {
                world.toll.unexplained(format!("{target} was paused: {reason}"));
            }
            let what = if reason.is_empty() { "resume before its time" } else { "resume a paused table" };
            // The table that is dropped and made again may be halfway there.
            let is_expected =
                |failure: &Failure| target == ANEW && ["42809", "42P01"].contains(&failure.sqlstate.as_str());
            let _ = session.run_where(what, &format!("SELECT cumulate.resume('{target}')"), is_expected);
        }
        world.pause(1500);
    }
}
