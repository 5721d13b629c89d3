-- shift and total, for every type they know.
SELECT cumulate.shift('{1,2}', 3, 7);
SELECT cumulate.shift('{7,6,5,4,3,2,1}', 8, 7);
SELECT cumulate.shift(NULL, 1, 7), cumulate.shift('{}', 1, 7), cumulate.shift('{2,NULL}', NULL, 7);
SELECT cumulate.shift('{9,8,7,6,5,4,3,2,1}', 10, 3);
SELECT cumulate.shift('[0:2]={3,2,1}'::int[], 4, 7), array_lower(cumulate.shift('[0:2]={3,2,1}'::int[], 4, 7), 1);
SELECT pg_typeof(cumulate.shift('{1}'::smallint[], 2::smallint, 7)), pg_typeof(cumulate.shift('{1}'::bigint[], count(*), 7)),
       pg_typeof(cumulate.shift('{1}', 1.5, 7)), pg_typeof(cumulate.shift('{1}'::real[], 2::real, 7)),
       pg_typeof(cumulate.shift('{1}'::float8[], 2, 7)), pg_typeof(cumulate.shift('{1}', 2, 7));
SELECT cumulate.shift('{1.50,NULL}', 2.250, 3), cumulate.shift('{1}'::float8[], 'NaN', 3);
SELECT cumulate.total('{1,2,3}'::int[]), cumulate.total('{1,2,3}'::int[], 2), cumulate.total('{1,NULL,3}'::int[], 2), cumulate.total('{1}'::int[], 3660);
SELECT cumulate.total('{}'::int[]), cumulate.total(NULL::int[]), cumulate.total('{NULL,NULL}'::int[]);
SELECT pg_typeof(cumulate.total('{1}'::smallint[])), pg_typeof(cumulate.total('{1}'::int[])), pg_typeof(cumulate.total('{1}'::bigint[])),
       pg_typeof(cumulate.total('{1}'::real[])), pg_typeof(cumulate.total('{1}'::float8[])), pg_typeof(cumulate.total('{1}'::numeric[]));
SELECT cumulate.total('{2147483647,2147483647}'::int[]), cumulate.total('{1.50,2.25,NULL}'::numeric[]), cumulate.total('{Infinity,1}'::float8[]);
SELECT sales.shift_array('{7,6,5,4,3,2,1}', 8);
-- As PostgreSQL itself would do it.
SELECT count(*) FROM (
    SELECT a, cumulate.shift(a, 9, 7) AS ours, trim_array(9 || a, greatest(cardinality(a) - 6, 0)) AS own
    FROM (SELECT array_agg((n * k) % 11) AS a FROM generate_series(1, 50) k, generate_series(1, k % 12 + 1) n GROUP BY k) AS arrays
) AS pairs WHERE ours IS DISTINCT FROM own;
