//! Late changes, one by one: keys that come late, go, return, and move their first day.

use crate::scene::{Form, Scene};
use pg_cumulate_tests::Ask;

fn growth(scene: &mut Scene) -> Vec<String> {
    scene.client.lines(
        "SELECT period_start, active, new, retained, resurrected, churned FROM cumulate.growth('counts', '7', to_day => '2024-12-24')",
    )
}

#[test]
fn answers_follow_late_changes_once_they_are_repaired() {
    let mut scene = Scene::new(Form::PLAIN);
    scene.visit(&[
        ("north", 1, 0, Some(1)),
        ("north", 1, 8, Some(1)),
        ("north", 2, 9, Some(1)),
        ("north", 2, 22, Some(1)),
    ]);
    scene.close(28);
    let before = ["2024-11-27|1|1|0|0|0", "2024-12-04|2|1|1|0|0", "2024-12-11|0|0|0|0|2", "2024-12-18|1|0|0|1|0"];
    assert_eq!(growth(&mut scene), before);
    // A key that comes late, and one whose first day moves back.
    scene.visit(&[("south", 1, 15, Some(1)), ("north", 2, 3, Some(1))]);
    assert_eq!(
        scene.client.refusal("SELECT * FROM cumulate.growth('counts', to_day => '2024-12-24')").sqlstate,
        "55000"
    );
    scene.client.run("SELECT cumulate.apply_late('counts')");
    let after = ["2024-11-27|2|2|0|0|0", "2024-12-04|2|0|2|0|0", "2024-12-11|1|1|0|0|2", "2024-12-18|1|0|0|1|1"];
    assert_eq!(growth(&mut scene), after);
    // A key that is gone, and one that has never been there before.
    scene.client.run("DELETE FROM visits WHERE visitor = 2; UPDATE visits SET shop = 'east' WHERE shop = 'south'");
    scene.client.run("SELECT cumulate.apply_late('counts')");
    let gone = ["2024-11-27|1|1|0|0|0", "2024-12-04|1|0|1|0|0", "2024-12-11|1|1|0|0|1", "2024-12-18|0|0|0|0|1"];
    assert_eq!(growth(&mut scene), gone);
    // It returns, later than it first came.
    scene.visit(&[("north", 2, 16, Some(1))]);
    scene.client.run("SELECT cumulate.apply_late('counts')");
    let back = ["2024-11-27|1|1|0|0|0", "2024-12-04|1|0|1|0|0", "2024-12-11|2|2|0|0|1", "2024-12-18|0|0|0|0|2"];
    assert_eq!(growth(&mut scene), back);
}

#[test]
fn what_the_same_transaction_has_written_waits_too() {
    let mut scene = Scene::new(Form::PLAIN);
    scene.visit(&[("north", 1, 0, Some(1))]);
    scene.close(10);
    scene.client.run("BEGIN");
    scene.visit(&[("north", 2, 5, Some(1))]);
    let refusal = scene.client.refusal("SELECT * FROM cumulate.series('counts', 'visits', to_day => '2024-12-06')");
    assert_eq!(refusal.detail.as_deref(), Some("Days with late changes that wait are 2024-12-02."));
    scene.client.run("ROLLBACK");
    let newest: String = scene.client.value("SELECT max(day)::text FROM cumulate.series('counts', 'visits')");
    assert_eq!(newest, "2024-12-06");
}

#[test]
fn an_answer_is_of_one_moment() {
    let mut scene = Scene::new(Form::PLAIN);
    scene.visit(&[("north", 1, 0, Some(1))]);
    scene.close(10);
    let mut reader = scene.database.connect();
    reader.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
    let look = "SELECT sum(value) FROM cumulate.series('counts', 'visits')";
    let before = reader.lines(look);
    scene.visit(&[("north", 2, 5, Some(1))]);
    assert_eq!(reader.lines(look), before);
    scene.client.run("SELECT cumulate.apply_late('counts')");
    assert_eq!(reader.lines(look), before);
    reader.run("COMMIT");
    assert_eq!(reader.lines(look), ["2"]);
}
