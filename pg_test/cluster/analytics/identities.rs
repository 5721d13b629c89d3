//! Random visits, late changes and questions: every answer is that of the model, and what must add up does.

use crate::models::{self, Days};
use crate::scene::{Form, START, Scene};
use pg_cumulate_tests::Ask;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

/// Days that are closed.
const DAYS: i32 = 45;

const FORMS: [Form; 6] = [
    Form::PLAIN,
    Form { time: "timestamptz", zone: "America/New_York", element: "bigint", more: "late => 'trigger'" },
    Form { time: "timestamptz", zone: "Australia/Lord_Howe", element: "numeric(12,2)", more: "shape => 'padded'" },
    Form { element: "smallint", more: "shape => 'padded', expire_idle => true", ..Form::PLAIN },
    Form { time: "timestamp", element: "real", more: "late => 'scan', lookback => 60", ..Form::PLAIN },
    Form { element: "double precision", more: "partition_by => 'none', late => 'none'", ..Form::PLAIN },
];

#[derive(Debug, Clone)]
struct Visit {
    shop: Option<&'static str>,
    visitor: Option<i32>,
    /// Hours from the start; before it, too.
    hour: i32,
    amount: Option<i32>,
}

#[derive(Debug, Clone)]
enum Change {
    Insert(Vec<Visit>),
    /// All visits of a visitor.
    Delete(i32),
    /// Of a visitor's visits, the hours by which they are moved.
    Move(i32, i32),
}

#[derive(Debug, Clone)]
struct Question {
    from: Option<i32>,
    to: Option<i32>,
    period: &'static str,
    metric: Option<&'static str>,
    count: i32,
}

#[derive(Debug, Clone)]
struct Case {
    before: Vec<Visit>,
    changes: Vec<Change>,
    questions: Vec<Question>,
}

fn visit() -> impl Strategy<Value = Visit> {
    let shop = prop_oneof![9 => select(vec!["north", "süd", "it's"]).prop_map(Some), 1 => Just(None)];
    let visitor = prop_oneof![19 => (0..4i32).prop_map(Some), 1 => Just(None)];
    let amount = prop_oneof![4 => (-3..9i32).prop_map(Some), 1 => Just(None)];
    (shop, visitor, -100..DAYS * 24 + 50, amount).prop_map(|(shop, visitor, hour, amount)| Visit {
        shop,
        visitor,
        hour,
        amount,
    })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => vec(visit(), 1..6).prop_map(Change::Insert),
        1 => (0..4i32).prop_map(Change::Delete),
        1 => (0..4i32, -300..300i32).prop_map(|(visitor, hours)| Change::Move(visitor, hours)),
    ]
}

fn question() -> impl Strategy<Value = Question> {
    let period = select(vec!["day", "week", "month", "1", "5", "28", "400"]);
    let metric = select(vec![None, Some("visits"), Some("amount"), Some("largest")]);
    (prop::option::of(0..DAYS), prop::option::of(0..DAYS), period, metric, 1..15i32).prop_map(
        |(one, other, period, metric, count)| {
            let (from, to) = match (one, other) {
                (Some(one), Some(other)) => (Some(one.min(other)), Some(one.max(other))),
                open => open,
            };
            Question { from, to, period, metric, count }
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    (vec(visit(), 0..60), vec(change(), 0..4), vec(question(), 2..4)).prop_map(|(before, changes, questions)| Case {
        before,
        changes,
        questions,
    })
}

#[test]
fn answers_are_those_of_the_models_whatever_came_late() {
    for (number, form) in FORMS.into_iter().enumerate() {
        let mut runner = TestRunner::new(Config {
            cases: 8,
            rng_seed: RngSeed::Fixed(20_241_201 + number as u64),
            failure_persistence: None,
            max_shrink_iters: 60,
            ..Config::default()
        });
        let result = runner.run(&case(), |case| live_through(&form, &case).map_err(TestCaseError::fail));
        result.unwrap_or_else(|failure| panic!("{form:?}: {failure}"));
    }
}

fn live_through(form: &Form, case: &Case) -> Result<(), String> {
    let mut scene = Scene::new(form.clone());
    insert(&mut scene, &case.before);
    scene.close(DAYS);
    for change in &case.changes {
        carry_out(&mut scene, change);
    }
    scene.client.run(&format!("SELECT cumulate.restate('counts', '{START}', DATE '{START}' + {DAYS} - 1)"));
    for question in &case.questions {
        ask(&mut scene, question)?;
    }
    let differences = scene.client.lines("SELECT * FROM cumulate.verify('counts')");
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n")) }
}

fn insert(scene: &mut Scene, visits: &[Visit]) {
    for Visit { shop, visitor, hour, amount } in visits {
        let sql = format!("INSERT INTO visits VALUES ($1, $2, TIMESTAMP '{START}' + {hour} * interval '1 hour', $3)");
        scene.client.execute(&sql, &[shop, visitor, amount]).expect("visits are inserted");
    }
}

fn carry_out(scene: &mut Scene, change: &Change) {
    match change {
        Change::Insert(visits) => insert(scene, visits),
        Change::Delete(visitor) => scene.client.run(&format!("DELETE FROM visits WHERE visitor = {visitor}")),
        Change::Move(visitor, hours) => scene.client.run(&format!(
            "UPDATE visits SET at = at + {hours} * interval '1 hour' WHERE visitor = {visitor} AND amount > 2"
        )),
    }
}

/// The days of a question as ours takes them, and as the models do.
fn days(question: &Question) -> (String, Days) {
    let day = |number: Option<i32>| number.map(|number| format!("(DATE '{START}' + {number})"));
    let shown = |number: Option<i32>| day(number).unwrap_or_else(|| "NULL".to_owned());
    let args = format!("from_day => {}, to_day => {}", shown(question.from), shown(question.to));
    let from = day(Some(question.from.unwrap_or(0))).expect("a day");
    let to = day(Some(question.to.unwrap_or(DAYS - 1))).expect("a day");
    (args, Days { from, to })
}

fn ask(scene: &mut Scene, question: &Question) -> Result<(), String> {
    let (args, days) = days(question);
    let Question { period, metric, count, .. } = question;
    let form = scene.form.clone();
    let named = metric.map_or("NULL".to_owned(), |metric| format!("'{metric}'"));
    let active_keys = format!("SELECT * FROM cumulate.active_keys('counts', {args}, metric => {named})");
    scene.difference(&active_keys, &models::active_keys(&form, &days, *metric))?;
    let growth = format!("SELECT * FROM cumulate.growth('counts', '{period}', {args}, metric => {named})");
    scene.difference(&growth, &models::growth(&form, period, &days, *metric))?;
    let cohorts = format!("SELECT * FROM cumulate.cohorts('counts', '{period}', {count}, {args}, metric => {named})");
    let through = format!("(DATE '{START}' + {DAYS} - 1)");
    scene.difference(&cohorts, &models::cohorts(&form, period, *count, &days, &through, *metric))?;
    identities(scene, &growth, &cohorts)?;
    for metric in ["visits", "amount", "largest"] {
        let series = format!("SELECT * FROM cumulate.series('counts', '{metric}', {args})");
        scene.difference(&series, &models::series(&form, metric, None, &days))?;
        let of_key = format!(
            "SELECT * FROM cumulate.series('counts', '{metric}', '{{\"visitor\": 1, \"shop\": \"süd\"}}', {args})"
        );
        scene.difference(&of_key, &models::series(&form, metric, Some(("süd", 1)), &days))?;
    }
    rankings(scene, question, &days)
}

/// What holds of every answer, whatever the model says.
fn identities(scene: &mut Scene, growth: &str, cohorts: &str) -> Result<(), String> {
    let mut broken = scene.client.lines(&format!(
        "SELECT * FROM (SELECT *, lag(active) OVER (ORDER BY period_start) AS before FROM ({growth}) AS g) AS g
         WHERE active IS DISTINCT FROM new + retained + resurrected OR before <> retained + churned"
    ));
    broken.extend(scene.client.lines(&format!("SELECT * FROM ({cohorts}) AS c WHERE period = 0 AND active <> size")));
    if broken.is_empty() { Ok(()) } else { Err(format!("{growth}\n{cohorts}\ndo not add up: {broken:#?}")) }
}

fn rankings(scene: &mut Scene, question: &Question, days: &Days) -> Result<(), String> {
    let form = scene.form.clone();
    let (to, count) = (question.to.unwrap_or(DAYS - 1), question.count);
    for metric in ["visits", "amount", "largest", "mean", "newest"] {
        let day = question.to.map_or("NULL".to_owned(), |_| days.to.clone());
        let top = format!("SELECT * FROM cumulate.top('counts', '{metric}', {day}, {count}, 5)");
        let window = Days { from: format!("(DATE '{START}' + {})", (to - count + 1).max(0)), to: days.to.clone() };
        scene.difference(&top, &models::top(&form, metric, &window, 5))?;
        if to - 2 * count + 1 >= 0 {
            let movers = format!("SELECT * FROM cumulate.movers('counts', '{metric}', {day}, {count}, 4)");
            scene.difference(&movers, &models::movers(&form, metric, &days.to, count, 4))?;
        }
    }
    let everything = "SELECT * FROM cumulate.top('counts', 'amount', n => 1000)";
    let since_the_start = Days { from: format!("DATE '{START}'"), to: format!("(DATE '{START}' + {DAYS} - 1)") };
    scene.difference(everything, &models::top(&form, "amount", &since_the_start, 1000))?;
    let added_up = scene.client.lines(
        "SELECT (SELECT sum(value) FROM cumulate.top('counts', 'amount', n => 1000)) IS NOT DISTINCT FROM
                nullif((SELECT sum(value) FROM cumulate.series('counts', 'amount')), 0)
             OR (SELECT count(*) FROM cumulate.top('counts', 'amount', n => 1000)) > 0
                AND (SELECT sum(value) FROM cumulate.series('counts', 'amount')) = 0",
    );
    if added_up == ["t"] { Ok(()) } else { Err("top and series do not add up to the same".to_owned()) }
}
