//! Whatever an owner attaches to a table runs with that owner's rights and no more.

use crate::scene::{Plan, SOON, create_table, server};
use pg_cumulate_tests::{Ask, eventually};

/// Ways to have code of one's own run when the scheduler writes a row.
const TRAPS: [(&str, &str); 4] = [
    ("trigger", "CREATE TRIGGER climb BEFORE INSERT ON counts FOR EACH ROW EXECUTE FUNCTION climb()"),
    ("default", "ALTER TABLE counts ADD COLUMN trap integer DEFAULT climb_value()"),
    ("check", "ALTER TABLE counts ADD CHECK (climb_value() IS NOT NULL)"),
    ("index", "CREATE INDEX ON counts (climb_immutable(key))"),
];

#[test]
fn no_trap_on_the_table_makes_its_owner_a_superuser() {
    for (name, trap) in TRAPS {
        let cluster = server(None, &[]);
        let mut admin = cluster.connect("postgres");
        admin.run("CREATE EXTENSION pg_cumulate; CREATE ROLE climber LOGIN; GRANT CREATE ON SCHEMA public TO climber");
        let mut owner = cluster.connect_as("postgres", "climber");
        owner.run("CREATE TABLE source (key text, at timestamptz)");
        owner.run(
            &create_table("counts", "UTC", "2024-12-01", "partition_by => 'none'")
                .replace("'2024-12-01'", "(now() AT TIME ZONE 'UTC')::date - 5"),
        );
        owner.run(
            "CREATE FUNCTION climb_value() RETURNS integer LANGUAGE plpgsql AS $$BEGIN ALTER ROLE climber SUPERUSER; RETURN 1; END$$;
             CREATE FUNCTION climb() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM public.climb_value(); RETURN NEW; END$$;
             CREATE FUNCTION climb_immutable(text) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$BEGIN ALTER ROLE climber SUPERUSER; RETURN 1; END$$;",
        );
        owner.run(trap);
        owner.run("INSERT INTO source VALUES ('a', now() - interval '2 days')");
        eventually(SOON, "the trap to be refused", || {
            owner.value::<bool>("SELECT count(*) > 0 FROM cumulate.runs WHERE status = 'failed'")
        });
        let sqlstate = owner.lines("SELECT DISTINCT sqlstate FROM cumulate.runs WHERE status = 'failed'");
        assert!(sqlstate == ["42501"] || sqlstate == ["0A000"], "{name}: {sqlstate:?}");
        assert!(!admin.value::<bool>("SELECT rolsuper FROM pg_roles WHERE rolname = 'climber'"), "{name}");
        assert!(!cluster.log().contains("PANIC"));
    }
}

#[test]
fn a_table_advances_whose_owner_may_not_log_in_or_is_dropped() {
    let mut scene = Plan { clock: Some(("nologin", "2024-12-10 12:00:00")), ..Plan::default() }.stage();
    scene.client.run(
        "CREATE ROLE clerk NOLOGIN; GRANT CREATE ON SCHEMA public TO clerk; ALTER TABLE source OWNER TO clerk; ALTER TABLE counts OWNER TO clerk;
         ALTER TABLE counts_daily OWNER TO clerk; ALTER FUNCTION counts_rows OWNER TO clerk",
    );
    scene.fill("2024-12-02", "2024-12-09");
    scene.wait_until_closed("2024-12-09");
    scene.check();
    // Who inherits from a role that is dropped has the next days.
    scene.client.run("REASSIGN OWNED BY clerk TO postgres; DROP OWNED BY clerk; DROP ROLE clerk");
    scene.fill("2024-12-10", "2024-12-11");
    scene.set_clock("2024-12-12 00:00:05");
    scene.wait_until_closed("2024-12-11");
    scene.check();
}

#[test]
fn only_the_owner_may_schedule() {
    let mut scene = Plan { clock: Some(("stranger", "2024-12-10 12:00:00")), ..Plan::default() }.stage();
    scene.client.run("CREATE ROLE stranger LOGIN");
    let mut stranger = scene.cluster.connect_as("stage", "stranger");
    for call in
        ["schedule('counts')", "unschedule('counts')", "run_now('counts')", "pause('counts', 'no')", "resume('counts')"]
    {
        assert_eq!(stranger.refusal(&format!("SELECT cumulate.{call}")).sqlstate, "42501", "{call}");
    }
    assert_eq!(stranger.refusal("UPDATE cumulate.schedule SET paused_at = now()").sqlstate, "42501");
    assert_eq!(
        stranger.lines("SELECT * FROM cumulate.schedules"),
        [""; 0],
        "tables that one may not read are not shown"
    );
}

#[test]
fn row_security_that_binds_the_owner_pauses_the_table_with_what_to_do() {
    let cluster = server(None, &[]);
    let mut admin = cluster.connect("postgres");
    admin.run("CREATE EXTENSION pg_cumulate; CREATE ROLE keeper LOGIN; GRANT CREATE ON SCHEMA public TO keeper");
    let mut owner = cluster.connect_as("postgres", "keeper");
    owner.run(
        "CREATE TABLE source (key text, at timestamptz);
         INSERT INTO source SELECT key, now() - n * interval '1 day' FROM generate_series(1, 4) AS n, (VALUES ('a'), ('b')) AS k (key);
         CREATE POLICY part ON source USING (key = 'a')",
    );
    let create = create_table("counts", "UTC", "2024-12-01", "late => 'trigger'")
        .replace("'2024-12-01'", "(now() AT TIME ZONE 'UTC')::date - 4");
    // In one transaction, so that no run comes between.
    owner.run(&format!("{create}; ALTER TABLE source ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"));
    eventually(SOON, "the pause", || {
        owner.value::<bool>("SELECT count(*) = 1 FROM cumulate.schedules WHERE state = 'paused'")
    });
    let hint = "ALTER TABLE public.source NO FORCE ROW LEVEL SECURITY;";
    let failed = owner.lines("SELECT sqlstate, message, hint FROM cumulate.runs WHERE status = 'failed'");
    assert_eq!(failed, [format!("42501|row security of public.source applies to role \"keeper\"|{hint}")]);
    assert_eq!(owner.value::<i64>("SELECT count(*) FROM counts"), 0, "no part of a snapshot");
    owner.run(hint);
    owner.run("SELECT cumulate.resume('counts')");
    eventually(SOON, "the days to be closed", || {
        owner.value::<bool>("SELECT count(*) >= 4 AND bool_and(state = 'closed') FROM cumulate.days")
    });
    assert_eq!(owner.lines("SELECT DISTINCT key FROM counts ORDER BY 1"), ["a", "b"]);
    assert_eq!(owner.lines("SELECT * FROM cumulate.verify('counts')"), [""; 0]);
}

#[test]
fn the_scheduler_calls_no_function_of_a_stranger_and_leaves_a_table_alone_until_its_parts_are_its_owners() {
    let mut scene = Plan { clock: Some(("planted", "2024-12-10 12:00:00")), ..Plan::default() }.stage();
    scene.client.run(
        "CREATE ROLE mallory LOGIN; CREATE SCHEMA reports; GRANT CREATE, USAGE ON SCHEMA reports, public TO mallory;
         GRANT SELECT ON source TO mallory; ALTER TABLE counts SET SCHEMA reports; ALTER DATABASE stage SET search_path = reports, public",
    );
    scene.reconnect();
    let mut mallory = scene.cluster.connect_as("stage", "mallory");
    mallory.run(
        "CREATE TABLE public.seen (role name); GRANT ALL ON public.seen TO PUBLIC;
         CREATE FUNCTION public.spy(bigint) RETURNS bigint LANGUAGE plpgsql AS
         $$ BEGIN INSERT INTO public.seen VALUES (current_user); RETURN $1 * 1000; END $$",
    );
    let made: String = scene.client.value("SELECT pg_get_functiondef('public.counts_rows'::regproc)");
    mallory.run(&made.replace("public.counts_rows", "reports.counts_rows").replace("count(*)", "public.spy(count(*))"));
    mallory.run("ALTER FUNCTION reports.counts_rows DEPENDS ON EXTENSION pg_cumulate");
    scene.fill("2024-12-02", "2024-12-05");
    scene.wait_until_closed("2024-12-05");
    scene.check();
    // Her own is one by its mark and form, and would be called if the table had it alone.
    scene.client.run("ALTER FUNCTION public.counts_rows OWNER TO mallory");
    scene.fill("2024-12-06", "2024-12-09");
    scene.wait_for("the table to be incomplete", "SELECT state = 'incomplete' FROM cumulate.schedules");
    scene.set_clock("2024-12-11 12:00:00");
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(
        scene.client.value::<i64>("SELECT count(*) FROM cumulate.days WHERE day > '2024-12-09' AND state = 'closed'"),
        0
    );
    assert_eq!(scene.client.value::<i64>("SELECT count(*) FROM cumulate.runs WHERE status = 'failed'"), 0);
    assert_eq!(scene.client.lines("SELECT role FROM public.seen"), [""; 0]);
    scene.client.run("ALTER FUNCTION public.counts_rows OWNER TO postgres");
    scene.wait_until_closed("2024-12-10");
    scene.check();
    assert_eq!(scene.client.lines("SELECT role FROM public.seen"), [""; 0]);
}
