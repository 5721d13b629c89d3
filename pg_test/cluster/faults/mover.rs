//! Who takes a partition of a source away, changes it where no trigger sees it, and brings it back.

use crate::session::Session;
use crate::stage::{CLOSER, DAYS};
use crate::world::World;
use crate::writers::{is_conflict, time};
use pg_cumulate_tests::Dice;

pub fn come_and_go(world: &World, mut dice: Dice) {
    let mut session = Session::new(world, CLOSER);
    while !world.is_over() {
        let first = dice.below(DAYS);
        let last = first.saturating_sub(dice.below(3));
        let days = format!("at >= {} AND at < {}", time(first, 0), time(last, 86_400));
        let sql = format!(
            "BEGIN; ALTER TABLE parted_events DETACH PARTITION parted_sells; DELETE FROM parted_sells WHERE {days}; \
             ALTER TABLE parted_events ATTACH PARTITION parted_sells FOR VALUES IN ('sell'); COMMIT"
        );
        if let Ok(rows) = session.run_where("change a detached partition", &sql, is_conflict) {
            world.toll.counts().changes += rows.iter().sum::<u64>();
        }
        world.pause(2000 + dice.below(3000));
    }
}
