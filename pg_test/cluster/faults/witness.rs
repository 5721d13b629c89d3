//! A session that looks all the time whether the law holds: in any snapshot of the database every closed day without a
//! note is what the source says.

use crate::session::Session;
use crate::stage::WITNESS;
use crate::tables::TABLES;
use crate::world::World;
use pg_cumulate_tests::Dice;

pub fn watch(world: &World, mut dice: Dice) {
    let mut session = Session::new(world, WITNESS);
    while !world.is_over() {
        let table = dice.pick(TABLES);
        // What a scan has not seen yet is noted by nobody.
        if table.late != "trigger" {
            continue;
        }
        // Locked before the snapshot is taken: TRUNCATE and dropped partitions are seen by older snapshots, too.
        let sql = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE {}, {name}, {name}_daily IN ACCESS SHARE MODE;
             SELECT * FROM cumulate.verify('{name}') LIMIT 5; COMMIT",
            table.source,
            name = table.name
        );
        match session.lines("witness", &sql) {
            Ok(differences) if differences.is_empty() => {
                *world.toll.counts().done.entry("look at a table: the law holds").or_default() += 1;
            }
            Ok(differences) => {
                world.toll.unexplained(format!("{} breaks the law:\n{}", table.name, differences.join("\n")));
            }
            Err(_) => {}
        }
        world.pause(dice.below(300));
    }
}
