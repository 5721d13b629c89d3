//! One call: its text, what it needs before, and how its transaction ends.

use crate::hostile::hostile;
use crate::surface::Function;
use crate::values::{self, QUESTIONS, Theme, Value};
use crate::world::World;
use pg_cumulate_tests::{Ask, Dice, Refusal, ident};
use postgres::Client;

/// How the transaction of a call ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The call is a command of its own.
    Commits,
    /// Nothing of it stays, for the next calls want their tables.
    RollsBack,
}

pub struct Call {
    pub sql: String,
    /// Its values have the right types: it gets as far as the function's body.
    pub reaches: bool,
    end: End,
    /// Done in the call's own transaction.
    first: String,
    /// Committed before, each by itself; the last may give the number of a run.
    before: Vec<String>,
    after: String,
}

/// How hostile the values of a call are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Sensible,
    OneHostile(usize),
    Hostile,
}

impl Call {
    pub fn make(function: &Function, world: &World, dice: &mut Dice) -> Call {
        let theme = Theme::choose(function, dice);
        let mood = match dice.below(100) {
            0..50 => Mood::Sensible,
            50..85 if !function.arguments.is_empty() => Mood::OneHostile(dice.place(function.arguments.len())),
            _ => Mood::Hostile,
        };
        if function.name == "note_late" && mood != Mood::Hostile {
            return written(world, dice);
        }
        let mut call = Call {
            sql: String::new(),
            reaches: true,
            end: end_of(&function.name, dice),
            first: String::new(),
            before: Vec::new(),
            after: String::new(),
        };
        if mood == Mood::Sensible {
            call.prepare(function, &theme, dice);
        }
        let values = function.arguments.iter().enumerate().filter_map(|(index, argument)| {
            let is_hostile = mood == Mood::Hostile || mood == Mood::OneHostile(index);
            // What has a default is often left out.
            if !is_hostile && argument.has_default && left_out(function, &argument.name, dice) {
                return None;
            }
            let Value { sql, reaches } = match (argument.name.as_str(), call.before.is_empty()) {
                // The run that has just begun.
                ("run_id", false) => Value { sql: "{run}".to_owned(), reaches: true },
                ("definition", _) if !is_hostile => {
                    let target = &theme.target;
                    Value { sql: format!("public.number_of({})", pg_cumulate_tests::literal(target)), reaches: true }
                }
                _ if is_hostile => hostile(argument, world, dice),
                _ => values::sensible(function, argument, &theme, world, dice),
            };
            call.reaches &= reaches;
            Some(format!("{} => {sql}", ident(&argument.name)))
        });
        let values: Vec<String> = values.collect();
        let schema = match function.schema.as_str() {
            "sales" => format!("{}_sales", world.schema),
            "tables" => world.schema.clone(),
            other => other.to_owned(),
        };
        let how = if function.is_procedure { "CALL" } else { "SELECT * FROM" };
        call.sql = format!("{how} {schema}.{}({})", function.name, values.join(", "));
        call
    }

    /// What makes success possible.
    fn prepare(&mut self, function: &Function, theme: &Theme, dice: &mut Dice) {
        let target = pg_cumulate_tests::literal(&theme.target);
        match function.name.as_str() {
            "backfill_step" | "backfill_fail" => {
                let days = "current_date - 14, current_date - 12";
                self.before = vec![format!("SELECT cumulate_internal.backfill_begin({target}, {days})")];
                self.after =
                    "SELECT cumulate_internal.backfill_fail({run}, '57014', 'no longer wanted', NULL, NULL)".to_owned();
            }
            "add_metric" | "add_metric_begin" => self.before = vec![END_ADDING.to_owned()],
            "add_metric_fill" | "add_metric_fail" => {
                let metric = format!("'m{}', '\"count(*)\"'", dice.below(100_000));
                self.before = vec![
                    END_ADDING.to_owned(),
                    format!("SELECT cumulate_internal.add_metric_begin({target}, {metric})"),
                ];
                self.after = "SELECT cumulate_internal.add_metric_fail({run}, '57014', 'no longer wanted', NULL, NULL)"
                    .to_owned();
            }
            "forget" => {
                self.end = End::RollsBack;
                self.first = format!(
                    "DO $$ BEGIN EXECUTE format('DROP FUNCTION %I_rows(date, date, regclass) CASCADE', (SELECT relname FROM pg_class WHERE oid = {target}::regclass)); END $$; "
                );
            }
            "freeze" => {
                let through =
                    "(SELECT max(day) FROM cumulate.days WHERE target = {t}::regclass AND state <> 'missing')"
                        .replace("{t}", &target);
                self.first = format!(
                    "SELECT cumulate.cumulate_range({target}, current_date - 14, least({through}, current_date - 1)); "
                );
            }
            question if QUESTIONS.contains(&question) => {
                self.before = vec![format!("SELECT cumulate.apply_late({target})")];
            }
            _ => {}
        }
    }

    /// Makes the call; whether it succeeded, or how it was refused.
    pub fn run(&self, client: &mut Client) -> Result<(), Refusal> {
        let mut run = None;
        for before in &self.before {
            // What is refused here leaves the call without a run.
            run = client.simple_query(before).ok().and_then(value_of);
        }
        let number = run.unwrap_or_else(|| "NULL".to_owned());
        let sql = self.sql.replace("{run}", &number);
        let answer = match self.end {
            End::Commits => client.attempt(&sql),
            End::RollsBack => {
                let answer = client.attempt(&format!("BEGIN; {}{sql}", self.first));
                client.run("ROLLBACK");
                answer
            }
        };
        if !self.after.is_empty() && number != "NULL" {
            // It may have ended by itself.
            let _ = client.attempt(&self.after.replace("{run}", &number));
        }
        answer
    }

    /// As it can be typed again.
    pub fn text(&self) -> String {
        let before: String = self.before.iter().map(|before| format!("{before}; ")).collect();
        format!("{before}{}{}", self.first, self.sql)
    }
}

/// Ends what an earlier call has begun.
const END_ADDING: &str = "
    SELECT cumulate_internal.add_metric_fail(run_id, '57014', 'no longer wanted', NULL, NULL)
      FROM cumulate.runs WHERE run_id = public.adding_run('grown') AND status = 'running'";

fn value_of(messages: Vec<postgres::SimpleQueryMessage>) -> Option<String> {
    messages.iter().find_map(|message| match message {
        postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    })
}

fn end_of(function: &str, dice: &mut Dice) -> End {
    match function {
        // What would take the tables of the next calls away, or change what they promise.
        "create_table" | "create_sales_pipeline" | "drop_table" | "alter_table" | "freeze" => End::RollsBack,
        // Refused in a transaction block.
        "backfill" | "backfill_begin" | "backfill_step" | "backfill_fail" | "add_metric" | "add_metric_begin"
        | "add_metric_fill" | "add_metric_fail" => End::Commits,
        _ if dice.percent(30) => End::RollsBack,
        _ => End::Commits,
    }
}

/// Arguments whose default is the usual value.
fn left_out(function: &Function, argument: &str, dice: &mut Dice) -> bool {
    match (function.name.as_str(), argument) {
        // Its default suits tables that are the caller's own.
        ("create_table", "late") => false,
        // Too many by default.
        ("generate_events", "events") => false,
        ("create_sales_pipeline", _) => false,
        // By default there may be no days to compare with.
        ("movers", _) => false,
        // All days take longer than some.
        ("backfill", _) => dice.percent(10),
        _ => dice.percent(50),
    }
}

/// The note trigger is called by what is written to a table that has it, with any argument.
fn written(world: &World, dice: &mut Dice) -> Call {
    let argument = |type_name: &str| crate::surface::Argument {
        name: String::new(),
        type_name: type_name.to_owned(),
        has_default: false,
    };
    let key = hostile(&argument("text"), world, dice).sql;
    let number = hostile(&argument("integer"), world, dice).sql;
    let at = dice.one(&[
        "now()",
        "now() - interval '9 days'",
        "'-infinity'",
        "'infinity'",
        "NULL",
        "'4713-11-24 BC'",
        "'294276-12-31'",
    ]);
    let sql = match dice.below(6) {
        0 => format!("UPDATE noted SET key = {key}, number = {number}"),
        1 => "DELETE FROM noted".to_owned(),
        2 => "TRUNCATE noted".to_owned(),
        _ => format!("INSERT INTO noted VALUES ({key}, {number}, {at})"),
    };
    let end = if dice.percent(30) { End::RollsBack } else { End::Commits };
    Call { sql, reaches: true, end, first: String::new(), before: Vec::new(), after: String::new() }
}
