//! All calls, by several sessions at once.

use crate::call::Call;
use crate::surface::{self, Function};
use crate::tally::{CALLS, IN_ALL, Tally};
use crate::world::World;
use pg_cumulate_tests::{Ask, Cluster, Database, Dice};
use postgres::Client;
use std::io::Write;
use std::time::Instant;

/// So that every run does the same; another one may find more.
const USUAL_SEED: u64 = 20_241_201;

/// Sessions at once: more than a small machine has cores, so that they meet.
const SESSIONS: usize = 4;

fn asked(variable: &str) -> Option<u64> {
    let asked = std::env::var(variable).ok()?;
    Some(asked.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

/// A server that tells a crash from an error: the errors are looked at where they arrive.
pub fn server(environment: &[(&str, &str)]) -> Cluster {
    let settings = ["cumulate.enabled = off", "log_min_messages = log", "deadlock_timeout = '100ms'"];
    let builder = settings.iter().fold(Cluster::builder(), |builder, line| builder.conf(line));
    environment.iter().fold(builder, |builder, (name, value)| builder.env(name, value)).start()
}

pub fn prepare(database: &Database) -> Client {
    let mut admin = database.connect();
    admin.run("CREATE FOREIGN DATA WRAPPER none; CREATE SERVER nowhere FOREIGN DATA WRAPPER none");
    // What calls name, and their roles may not look up.
    admin.run(
        "CREATE FUNCTION public.number_of(target regclass) RETURNS bigint SECURITY DEFINER
             RETURN (SELECT id FROM cumulate.definition AS d WHERE d.target = $1);
         CREATE FUNCTION public.adding_run(target regclass) RETURNS bigint SECURITY DEFINER
             RETURN (SELECT d.adding_run FROM cumulate.definition AS d WHERE d.target = $1)",
    );
    admin
}

pub fn run() {
    let seed = asked("PG_CUMULATE_FUZZ_SEED").unwrap_or(USUAL_SEED);
    let calls = asked("PG_CUMULATE_FUZZ_CALLS").map_or(CALLS, |calls| calls as u32);
    let (cluster, began) = (server(&[]), Instant::now());
    let database = cluster.database_with_extension();
    let mut admin = prepare(&database);
    let worlds: Vec<(World, Client)> =
        (0..SESSIONS).map(|number| World::make(&mut admin, &mut |role| database.connect_as(role), number)).collect();
    let functions = surface::functions(&mut admin);
    let started: String = admin.value("SELECT pg_postmaster_start_time()::text");
    let mut tally = Tally::default();
    let mut differences = Vec::new();
    std::thread::scope(|scope| {
        let running: Vec<_> = worlds
            .into_iter()
            .enumerate()
            .map(|(number, (world, client))| {
                let functions = &functions;
                scope.spawn(move || {
                    Session { world, client, dice: Dice::new(seed ^ ((number as u64) << 32)), tally: Tally::default() }
                        .work(functions, calls)
                })
            })
            .collect();
        for session in running {
            let (of_session, of_world) = session.join().expect("a session's calls are answered");
            tally.add(of_session);
            differences.extend(of_world);
        }
    });
    // Written past the capture of libtest: what was called is worth a look after every run.
    let seconds = began.elapsed().as_secs();
    writeln!(std::io::stderr(), "PG_CUMULATE_FUZZ_SEED={seed}\n{tally} in {seconds} s").expect("stderr can be written");
    let log = cluster.log();
    for word in ["terminated by signal", "PANIC", "panicked", "TRAP"] {
        assert!(!log.contains(word), "the server's log says {word:?}");
    }
    assert_eq!(admin.value::<String>("SELECT pg_postmaster_start_time()::text"), started, "the server was restarted");
    tally.assert_clean(calls);
    assert!(differences.is_empty(), "what verify found afterwards:\n{}", differences.join("\n"));
}

struct Session {
    world: World,
    client: Client,
    dice: Dice,
    tally: Tally,
}

impl Session {
    /// This session's share of all calls; what verify finds at the end.
    fn work(mut self, functions: &[Function], calls: u32) -> (Tally, Vec<String>) {
        let share = calls.div_ceil(SESSIONS as u32);
        let mut plan: Vec<&Function> =
            functions.iter().flat_map(|function| std::iter::repeat_n(function, share as usize)).collect();
        let cheap: Vec<&Function> = functions.iter().filter(|function| function.is_cheap()).collect();
        let rest = ((calls * IN_ALL) as usize).div_ceil(SESSIONS).saturating_sub(plan.len());
        plan.extend(cheap.iter().cycle().take(rest));
        self.dice.shuffle(&mut plan);
        for (number, function) in plan.into_iter().enumerate() {
            if number % 25 == 0 {
                self.world.live_on(&mut self.client, &mut self.dice);
            }
            self.call(function);
        }
        // What did not get as far as a body is made up for.
        for function in functions {
            while self.tally.reached(&function.label()) < share {
                self.call(function);
            }
        }
        let differences = self.world.differences(&mut self.client);
        (self.tally, differences)
    }

    fn call(&mut self, function: &Function) {
        let call = Call::make(function, &self.world, &mut self.dice);
        let began = Instant::now();
        let answer = call.run(&mut self.client);
        self.tally.count(&function.label(), &call, &answer, began.elapsed());
    }
}
