//! Every object and column of both schemas says what it is for.

use crate::pipeline::Pipeline;
use pg_cumulate_tests::Ask;

/// Partitions repeat their parent, and the sequence of an identity column its column.
const RELATIONS: &str = "
    SELECT CASE WHEN a.attnum IS NULL THEN c.oid::regclass::text ELSE c.oid::regclass || '.' || a.attname END
      FROM pg_class AS c
      LEFT JOIN LATERAL (
               SELECT 0 AS attsub, NULL::smallint AS attnum, NULL::name AS attname
               UNION ALL
               SELECT x.attnum, x.attnum, x.attname FROM pg_attribute AS x
                WHERE x.attrelid = c.oid AND x.attnum > 0 AND NOT x.attisdropped AND c.relkind <> 'S') AS a ON true
     WHERE c.relnamespace IN ('cumulate'::regnamespace, 'sales'::regnamespace)
       AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND NOT c.relispartition
       AND NOT EXISTS (SELECT FROM pg_depend AS d
                        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i'
                          AND c.relkind = 'S')
       AND NOT EXISTS (SELECT FROM pg_description AS d
                        WHERE d.classoid = 'pg_class'::regclass AND d.objoid = c.oid AND d.objsubid = a.attsub)
     ORDER BY 1";

const FUNCTIONS: &str = "
    SELECT p.oid::regprocedure FROM pg_proc AS p
     WHERE p.pronamespace IN ('cumulate'::regnamespace, 'sales'::regnamespace)
       AND obj_description(p.oid, 'pg_proc') IS NULL
     ORDER BY 1::text";

/// Types made on their own; those of tables and arrays come with their owners.
const TYPES: &str = "
    SELECT t.oid::regtype FROM pg_type AS t
     WHERE t.typnamespace IN ('cumulate'::regnamespace, 'sales'::regnamespace)
       AND t.typelem = 0
       AND NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = t.typrelid AND c.relkind <> 'c')
       AND obj_description(t.oid, 'pg_type') IS NULL
     ORDER BY 1::text";

const SCHEMAS: &str = "
    SELECT n.nspname FROM pg_namespace AS n
     WHERE n.nspname IN ('cumulate', 'sales') AND obj_description(n.oid, 'pg_namespace') IS NULL";

#[test]
fn no_object_or_column_is_without_a_comment() {
    let mut pipeline = Pipeline::new();
    pipeline.insert(&[(1, "sell", 0)]);
    let bare: Vec<String> =
        [RELATIONS, FUNCTIONS, TYPES, SCHEMAS].iter().flat_map(|sql| pipeline.client.lines(sql)).collect();
    assert_eq!(bare, Vec::<String>::new());
}
