//! Which days can be asked about, and how others are refused.

use crate::scene::{Form, Scene, cluster};
use pg_cumulate_tests::{Ask, Refusal};

const CALLS: [&str; 8] = [
    "active_keys('counts', {range})",
    "growth('counts', {range})",
    "cohorts('counts', {range})",
    "series('counts', 'visits', {range})",
    "top('counts', 'visits', {day})",
    "movers('counts', 'visits', {day}, days => 2)",
    "anomalies('counts', 'visits', {range})",
    "forecast('counts', 'visits', as_of => {day})",
];

fn refused(scene: &mut Scene, call: &str, from: &str, to: &str) -> Refusal {
    let range = format!("from_day => {from}, to_day => {to}");
    scene.client.refusal(&format!("SELECT * FROM cumulate.{}", call.replace("{range}", &range).replace("{day}", to)))
}

/// How each function refuses a range, when all do it alike.
fn told(scene: &mut Scene, from: &str, to: &str) -> (String, String, String) {
    let mut parts: Vec<_> = CALLS
        .iter()
        .map(|call| {
            let refusal = refused(scene, call, from, to);
            (refusal.sqlstate, refusal.detail.unwrap_or_default(), refusal.hint.unwrap_or_default())
        })
        .collect();
    parts.dedup();
    assert_eq!(parts.len(), 1, "{parts:#?}");
    parts.remove(0)
}

fn owned(parts: (&str, &str, &str)) -> (String, String, String) {
    (parts.0.to_owned(), parts.1.to_owned(), parts.2.to_owned())
}

#[test]
fn days_that_are_not_closed_and_clean_are_named() {
    let mut scene = Scene::new(Form::PLAIN);
    scene.visit(&[("north", 1, 0, Some(1)), ("north", 1, 9, Some(2))]);
    assert_eq!(refused(&mut scene, CALLS[1], "NULL", "NULL").message, "no day of public.counts is closed yet");
    for day in [1, 2, 3, 4, 7, 8, 9] {
        scene.client.run(&format!("SELECT cumulate.cumulate_day('counts', DATE '2024-11-26' + {day})"));
    }
    let missing = "CALL cumulate.backfill('public.counts', DATE '2024-12-01', DATE '2024-12-02');";
    let expected = ("55000", "Days without a snapshot are 2024-12-01 to 2024-12-02.", missing);
    assert_eq!(told(&mut scene, "'2024-11-28'", "'2024-12-03'"), owned(expected));
    // Up to the gap there is an answer.
    assert_eq!(scene.client.value::<i64>("SELECT count(*) FROM cumulate.active_keys('counts')"), 4);
    assert_eq!(
        scene.client.value::<i64>("SELECT count(*) FROM cumulate.series('counts', 'visits', from_day => '2024-12-03')"),
        3
    );
    scene.client.run(missing);
    assert_eq!(scene.client.value::<i64>("SELECT count(*) FROM cumulate.active_keys('counts')"), 9);
    scene.visit(&[("north", 1, 2, Some(1)), ("north", 1, 4, Some(1))]);
    let noted = (
        "55000",
        "Days with late changes that wait are 2024-11-29, 2024-12-01.",
        "SELECT cumulate.apply_late('public.counts');",
    );
    assert_eq!(told(&mut scene, "'2024-11-30'", "'2024-12-04'"), owned(noted));
    assert_eq!(scene.client.value::<i64>("SELECT count(*) FROM cumulate.active_keys('counts')"), 2);
    scene.client.run("SELECT cumulate.apply_late('counts')");
    assert_eq!(scene.client.value::<i64>("SELECT count(*) FROM cumulate.growth('counts', 'day')"), 9);
}

#[test]
fn today_is_refused_until_it_is_over() {
    let (zone, today) = {
        let mut client = cluster().connect("postgres");
        let hour: i32 = client.value("SELECT extract(hour FROM now() AT TIME ZONE 'UTC')::integer");
        // The sign in these names is the other way round: Etc/GMT-3 is three hours ahead.
        let zone = format!("Etc/GMT{:+}", hour - 12);
        let today: String = client.value(&format!("SELECT (now() AT TIME ZONE '{zone}')::date::text"));
        (zone, today)
    };
    let database = cluster().database_with_extension();
    let mut client = database.connect();
    client.run(&format!(
        "CREATE TABLE visits (key text, at date); INSERT INTO visits VALUES ('a', '{today}'), ('a', DATE '{today}' - 3);
         SELECT cumulate.create_table('counts', 'visits', 'at', '{{key}}', '{{\"visits\": \"count(*)\"}}', time_zone => '{zone}');
         SELECT cumulate.cumulate_range('counts', DATE '{today}' - 3, '{today}')"
    ));
    let refusal = client.refusal(&format!("SELECT * FROM cumulate.growth('counts', to_day => '{today}')"));
    assert_eq!((refusal.sqlstate.as_str(), refusal.detail), ("55000", Some(format!("Open days are {today}."))));
    assert!(refusal.hint.is_some_and(|hint| hint.ends_with("today is not over.")));
    assert_eq!(client.value::<i64>("SELECT count(*) FROM cumulate.active_keys('counts')"), 3);
    let future = client.refusal(&format!("SELECT * FROM cumulate.growth('counts', to_day => DATE '{today}' + 1)"));
    assert_eq!(future.sqlstate, "22023");
}

#[test]
fn dropped_days_are_refused_and_first_days_are_still_known_from_them() {
    let mut scene = Scene::new(Form { more: "retention => '200 years'", ..Form::PLAIN });
    scene.visit(&[("north", 1, 0, Some(1)), ("north", 1, 40, Some(2)), ("south", 2, 41, Some(3))]);
    scene.close(60);
    scene.client.run(
        "SELECT cumulate.alter_table('counts', retention => make_interval(days => current_date - DATE '2024-12-20'));
         SELECT cumulate.apply_retention('counts')",
    );
    let hint = "Give days from 2024-12-20 on.";
    let expected = ("55000", "Dropped days are 2024-12-05 to 2024-12-19.", hint);
    assert_eq!(told_in_range(&mut scene, "'2024-12-05'", "'2025-01-10'"), owned(expected));
    let growth = "SELECT active, new, resurrected FROM cumulate.growth('counts', 'month', '2025-01-01', '2025-01-25')";
    assert_eq!(scene.client.lines(growth), ["2|1|1"]);
    assert_eq!(
        scene.client.lines("SELECT key ->> 'shop' FROM cumulate.top('counts', 'amount', days => 30)"),
        ["south", "north"]
    );
    assert_eq!(refused(&mut scene, CALLS[3], "NULL", "NULL").hint.as_deref(), Some(hint));
    // Forecasts learn from all days, and show none of them.
    let known = "SELECT DISTINCT key ->> 'shop' FROM cumulate.forecast('counts', 'visits', as_of => {}) WHERE forecast > 0 ORDER BY 1";
    assert_eq!(scene.client.lines(&known.replace("{}", "NULL")), ["north", "south", ""]);
    assert_eq!(scene.client.lines(&known.replace("{}", "'2024-12-19'")), ["north", ""]);
    assert!(
        scene.client.lines("SELECT class FROM cumulate.backtest('counts', 'visits')").contains(&"sparse".to_owned())
    );
    let anomalies =
        "SELECT min(day) >= '2024-12-25' FROM cumulate.anomalies('counts', 'visits', '2024-12-20', threshold => 0.01)";
    assert_eq!(scene.client.lines(anomalies), ["t"]);
}

fn told_in_range(scene: &mut Scene, from: &str, to: &str) -> (String, String, String) {
    let refusal = refused(scene, CALLS[3], from, to);
    for call in &CALLS[..3] {
        let other = refused(scene, call, from, to);
        assert_eq!((&other.detail, &other.hint), (&refusal.detail, &refusal.hint), "{call}");
    }
    (refusal.sqlstate, refusal.detail.unwrap_or_default(), refusal.hint.unwrap_or_default())
}

#[test]
fn wrong_days_and_numbers_are_refused() {
    let mut scene = Scene::new(Form::PLAIN);
    scene.visit(&[("north", 1, 0, Some(1))]);
    scene.close(10);
    let cases = [
        (
            "growth('counts', from_day => '2024-12-03', to_day => '2024-12-01')",
            "22023",
            "the first day is after the last day",
        ),
        (
            "growth('counts', from_day => '2024-11-26')",
            "22023",
            "day 2024-11-26 is before the start of \"public.counts\"",
        ),
        ("growth('counts', from_day => 'infinity')", "22008", "from_day must be a finite date"),
        ("growth('counts', to_day => '9999-12-31')", "22023", "day 9999-12-31 is in the future"),
        ("growth('counts', 'fortnight')", "22023", "unknown period \"fortnight\""),
        ("growth('counts', '0')", "22023", "period 0 is out of range"),
        ("growth('counts', NULL)", "22004", "period must not be null"),
        ("cohorts('counts', 'year')", "22023", "unknown cohort \"year\""),
        ("cohorts('counts', periods => 0)", "22023", "periods 0 is out of range"),
        ("growth('counts', metric => 'sales')", "42703", "metric \"sales\" of \"public.counts\" does not exist"),
        (
            "growth('counts', metric => 'note')",
            "42804",
            "metric \"note\" has type text, which is not a type of numbers",
        ),
        (
            "series('counts', 'note', '{\"shop\": \"north\", \"visitor\": 1}')",
            "42804",
            "metric \"note\" has type text, which is not a type of numbers",
        ),
        ("series('counts', 'mean')", "0A000", "metric \"mean\" has no value of all keys together"),
        ("series('counts', 'newest')", "0A000", "metric \"newest\" has no value of all keys together"),
        ("series('counts', NULL)", "22004", "metric must not be null"),
        (
            "series('counts', 'visits', '{\"shop\": \"north\"}')",
            "22023",
            "key does not name the key columns of \"public.counts\"",
        ),
        (
            "series('counts', 'visits', '{\"shop\": \"north\", \"visitor\": null}')",
            "22023",
            "key does not name the key columns of \"public.counts\"",
        ),
        (
            "series('counts', 'visits', '{\"shop\": \"north\", \"visitor\": 1, \"x\": null}')",
            "22023",
            "key does not name the key columns of \"public.counts\"",
        ),
        ("series('counts', 'visits', '[1]')", "22023", "key does not name the key columns of \"public.counts\""),
        ("series('counts', 'visits', 'null')", "22023", "key does not name the key columns of \"public.counts\""),
        (
            "series('counts', 'visits', '{\"shop\": \"north\", \"visitor\": \"one\"}')",
            "22P02",
            "invalid input syntax for type integer: \"one\"",
        ),
        ("top('counts', 'visits', n => 0)", "22023", "n 0 is out of range"),
        ("top('counts', 'visits', days => 3661)", "22023", "days 3661 is out of range"),
        ("movers('counts', 'visits', days => NULL)", "22004", "days must not be null"),
        (
            "movers('counts', 'visits', '2024-12-01')",
            "22023",
            "day 2024-11-18 is before the start of \"public.counts\"",
        ),
        ("movers('visits', 'visits')", "42809", "\"public.visits\" is not a cumulative table"),
        ("movers(NULL, 'visits')", "22004", "target must not be null"),
    ];
    for (call, sqlstate, message) in cases {
        let refusal = scene.client.refusal(&format!("SELECT * FROM cumulate.{call}"));
        assert_eq!((refusal.sqlstate.as_str(), refusal.message.as_str()), (sqlstate, message), "{call}");
    }
}
