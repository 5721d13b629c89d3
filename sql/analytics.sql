-- Questions about keys and days. The daily table is read as the table's owner; the caller needs SELECT on the key columns
-- of the cumulative table, and on those of the metric.

CREATE FUNCTION cumulate.active_keys(target regclass, from_day date DEFAULT NULL, to_day date DEFAULT NULL, metric text DEFAULT NULL)
RETURNS TABLE (day date, active_1d bigint, active_7d bigint, active_28d bigint, new_keys bigint)
STABLE LANGUAGE c AS 'MODULE_PATHNAME', 'active_keys';
COMMENT ON FUNCTION cumulate.active_keys IS
    'How many keys are active on each day, in the 7 and in the 28 days that end with it, and how many are active for the first time';

CREATE FUNCTION cumulate.growth(target regclass, period text DEFAULT 'week', from_day date DEFAULT NULL, to_day date DEFAULT NULL, metric text DEFAULT NULL)
RETURNS TABLE (period_start date, period_end date, active bigint, new bigint, retained bigint, resurrected bigint, churned bigint,
               quick_ratio double precision)
STABLE LANGUAGE c AS 'MODULE_PATHNAME', 'growth';
COMMENT ON FUNCTION cumulate.growth IS
    'How many keys are active in each period, and how many of them are new, stay or return; and how many of those before have left';

CREATE FUNCTION cumulate.cohorts(target regclass, cohort text DEFAULT 'week', periods integer DEFAULT 12, from_day date DEFAULT NULL,
                                 to_day date DEFAULT NULL, metric text DEFAULT NULL)
RETURNS TABLE (cohort date, size bigint, period integer, active bigint, share double precision)
STABLE LANGUAGE c AS 'MODULE_PATHNAME', 'cohorts';
COMMENT ON FUNCTION cumulate.cohorts IS
    'Keys by the period of their first day, and how many of them are active in each of the periods after';

CREATE FUNCTION cumulate.series(target regclass, metric text, key jsonb DEFAULT NULL, from_day date DEFAULT NULL, to_day date DEFAULT NULL)
RETURNS TABLE (day date, value numeric) STABLE LANGUAGE c AS 'MODULE_PATHNAME', 'series';
COMMENT ON FUNCTION cumulate.series IS 'A metric day by day, without gaps: of one key, or of all keys together';

CREATE FUNCTION cumulate.top(target regclass, metric text, day date DEFAULT NULL, days integer DEFAULT NULL, n integer DEFAULT 10)
RETURNS TABLE (rank bigint, key jsonb, value numeric, share double precision) STABLE LANGUAGE c AS 'MODULE_PATHNAME', 'top';
COMMENT ON FUNCTION cumulate.top IS 'The keys with the largest values of a metric over the days up to one, all since the start by default';

CREATE FUNCTION cumulate.movers(target regclass, metric text, day date DEFAULT NULL, days integer DEFAULT 7, n integer DEFAULT 10)
RETURNS TABLE (rank bigint, key jsonb, value numeric, before numeric, change numeric) STABLE LANGUAGE c AS 'MODULE_PATHNAME', 'movers';
COMMENT ON FUNCTION cumulate.movers IS 'The keys whose values of a metric differ most from those of as many days before';
