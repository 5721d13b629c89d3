//! CREATE EXTENSION where somebody has laid traps: refused, or none of that code runs.

use crate::counts::cluster;
use pg_cumulate_tests::{Ask, Database};
use postgres::Client;

/// A database in which an ordinary role may make schemas, and sessions of that role and of the superuser.
fn besieged(test: &str) -> (Database<'static>, Client, Client, String) {
    let database = cluster().database();
    let role = format!("trapper_of_{test}");
    let mut admin = database.connect();
    admin.run(&format!(
        "CREATE ROLE {role} LOGIN; GRANT CREATE ON DATABASE {} TO {role}; GRANT CREATE ON SCHEMA public TO {role}",
        database.name()
    ));
    let trapper = database.connect_as(&role);
    (database, trapper, admin, role)
}

fn assert_nobody_rose(admin: &mut Client) {
    assert_eq!(admin.lines("SELECT rolname FROM pg_roles WHERE rolsuper AND rolname LIKE 'trapper%'"), [""; 0]);
}

/// A body that makes its owner a superuser when a superuser runs it.
fn climb(role: &str, result: &str) -> String {
    format!("LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'ALTER ROLE {role} SUPERUSER'; RETURN {result}; END $$")
}

#[test]
fn a_schema_of_another_role_is_refused() {
    let (_database, mut trapper, mut admin, role) = besieged("schemas");
    trapper.run("CREATE SCHEMA cumulate");
    let refusal = admin.refusal("CREATE EXTENSION pg_cumulate");
    assert_eq!(refusal.sqlstate, "42501", "{refusal}");
    assert_eq!(refusal.message, "schema \"cumulate\" exists and does not belong to the installing role alone");
    assert_eq!(refusal.detail, Some(format!("Its owner is \"{role}\".")));
    // The superuser's own, but not alone.
    for trap in [
        format!("GRANT CREATE ON SCHEMA cumulate TO {role}"),
        format!(
            "CREATE FUNCTION cumulate.total(integer) RETURNS bigint RETURN 1; ALTER FUNCTION cumulate.total(integer) OWNER TO {role}"
        ),
        "CREATE TABLE cumulate.definition (id bigint)".to_owned(),
        "CREATE FUNCTION cumulate.schedule(text) RETURNS text RETURN 1".to_owned(),
        "CREATE TYPE cumulate.note AS (a integer)".to_owned(),
        "CREATE FUNCTION cumulate.equal(date, date) RETURNS boolean RETURN true;
         CREATE OPERATOR cumulate.= (LEFTARG = date, RIGHTARG = date, FUNCTION = cumulate.equal)"
            .to_owned(),
    ] {
        admin.run(&format!("DROP SCHEMA cumulate CASCADE; CREATE SCHEMA cumulate; {trap}"));
        let refusal = admin.refusal("CREATE EXTENSION pg_cumulate");
        assert_eq!(refusal.sqlstate, "42501", "{trap}\n{refusal}");
        assert!(refusal.hint.is_some(), "{refusal}");
    }
    // The other schema is the extension's own from the start.
    trapper.run("CREATE SCHEMA cumulate_internal");
    assert_eq!(admin.refusal("DROP SCHEMA cumulate CASCADE; CREATE EXTENSION pg_cumulate").sqlstate, "42P06");
    trapper.run("DROP SCHEMA cumulate_internal");
    // As a dump has it: the schema is there, empty, and its owner's alone.
    admin.run("DROP SCHEMA cumulate CASCADE; CREATE SCHEMA cumulate; CREATE EXTENSION pg_cumulate SCHEMA cumulate");
    assert_nobody_rose(&mut admin);
}

#[test]
fn a_schema_sales_of_another_role_is_left_alone() {
    let (_database, mut trapper, mut admin, role) = besieged("sales");
    let body = climb(&role, "NULL");
    trapper.run(&format!(
        "CREATE SCHEMA sales; CREATE TABLE sales.events (product_id integer, event_type text, event_date date);
         CREATE FUNCTION sales.trap() RETURNS trigger {body};
         CREATE TRIGGER trap AFTER INSERT ON sales.events FOR EACH ROW EXECUTE FUNCTION sales.trap();
         CREATE FUNCTION sales.backfill(date, date) RETURNS integer {body}"
    ));
    admin.run("SET cumulate.create_sales = on; CREATE EXTENSION pg_cumulate");
    assert_eq!(admin.lines("SELECT target FROM cumulate.tables"), [""; 0]);
    assert_nobody_rose(&mut admin);
}

#[test]
fn functions_operators_and_casts_of_others_are_never_called() {
    let (_database, mut trapper, mut admin, role) = besieged("operators");
    let yes = climb(&role, "true");
    // In schema public, and in one that is looked through first.
    for schema in ["public", "first"] {
        if schema == "first" {
            trapper.run("CREATE SCHEMA first; GRANT USAGE ON SCHEMA first TO PUBLIC");
        }
        trapper.run(&format!(
            "CREATE FUNCTION {schema}.text_is(text, text) RETURNS boolean {yes};
             CREATE FUNCTION {schema}.name_is(name, text) RETURNS boolean {yes};
             CREATE FUNCTION {schema}.name_is_not(name, name) RETURNS boolean {yes};
             CREATE FUNCTION {schema}.date_is(date, date) RETURNS boolean {yes};
             CREATE OPERATOR {schema}.= (LEFTARG = text, RIGHTARG = text, FUNCTION = {schema}.text_is);
             CREATE OPERATOR {schema}.= (LEFTARG = name, RIGHTARG = text, FUNCTION = {schema}.name_is);
             CREATE OPERATOR {schema}.<> (LEFTARG = name, RIGHTARG = name, FUNCTION = {schema}.name_is_not);
             CREATE OPERATOR {schema}.< (LEFTARG = date, RIGHTARG = date, FUNCTION = {schema}.date_is);
             CREATE FUNCTION {schema}.format(text, text) RETURNS text {text};
             CREATE FUNCTION {schema}.to_regclass(text) RETURNS regclass {null};
             CREATE FUNCTION {schema}.pg_extension_config_dump(regclass, text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'ALTER ROLE {role} SUPERUSER'; END $$;
             CREATE FUNCTION {schema}.coalesce_all(boolean) RETURNS boolean {yes};
             CREATE FUNCTION {schema}.now() RETURNS timestamptz {null};
             CREATE FUNCTION {schema}.scheduler_problem() RETURNS text {text};
             CREATE TABLE {schema}.pg_extension (extname name, oid oid); CREATE TABLE {schema}.pg_depend (classid oid);
             CREATE DOMAIN {schema}.regclass AS text; CREATE DOMAIN {schema}.date AS text; CREATE DOMAIN {schema}.json AS text",
            text = climb(&role, "''"),
            null = climb(&role, "NULL"),
        ));
    }
    trapper.run(&format!(
        "CREATE TYPE public.pair AS (a integer); CREATE FUNCTION public.pair(text) RETURNS public.pair {};
         CREATE CAST (text AS public.pair) WITH FUNCTION public.pair(text) AS ASSIGNMENT",
        climb(&role, "NULL")
    ));
    admin.run(&format!("ALTER DATABASE {} SET search_path = first, public, pg_catalog", _database.name()));
    let mut admin = _database.connect();
    assert_eq!(admin.lines("SHOW search_path"), ["first, public, pg_catalog"]);
    admin.run("SET cumulate.create_sales = on");
    admin.run("CREATE EXTENSION pg_cumulate");
    assert_nobody_rose(&mut admin);
    assert_eq!(admin.lines("SELECT target::text FROM cumulate.tables"), ["sales.daily_cumulate"]);
    // Nor when it is used, or goes.
    admin.run("SELECT sales.generate_events(200, 5, '2024-12-01', '2024-12-20', seed => 1)");
    assert_nobody_rose(&mut admin);
    admin.run("SELECT cumulate.cumulate_range('sales.daily_cumulate', '2024-12-01', '2024-12-10'), cumulate.apply_late('sales.daily_cumulate')");
    admin.run("CALL sales.backfill('2024-12-01', '2024-12-12')");
    admin.run("SELECT * FROM cumulate.verify('sales.daily_cumulate'); SELECT * FROM cumulate.health(); SELECT * FROM cumulate.days LIMIT 1");
    admin.run("SELECT * FROM cumulate.status; SELECT * FROM cumulate.runs; SELECT * FROM cumulate.schedules; SELECT * FROM cumulate.defects");
    assert_nobody_rose(&mut admin);
    admin.run("DROP EXTENSION pg_cumulate");
    assert_nobody_rose(&mut admin);
}
