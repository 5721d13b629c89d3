-- What the specs share: a source with a cumulative table over it, made before and dropped after every permutation.

CREATE PROCEDURE define() LANGUAGE plpgsql AS $$
BEGIN
    PERFORM cumulate.create_table('visits', 'visit', 'on_day', '{page}', '{"visits": "count(*)"}', windows => '{3}',
        start_date => '2024-05-01', time_zone => 'UTC', partition_by => 'none');
END
$$;

CREATE PROCEDURE build() LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL client_min_messages = warning;
    CREATE EXTENSION IF NOT EXISTS pg_cumulate;
    CREATE TABLE visit (page text, on_day date);
    INSERT INTO visit VALUES ('home', '2024-05-01'), ('home', '2024-05-02'), ('help', '2024-05-03');
    CALL define();
    PERFORM cumulate.cumulate_day('visits', '2024-05-01');
END
$$;

CREATE PROCEDURE demolish() LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL client_min_messages = warning;
    DROP TABLE IF EXISTS visit, visits, visits_daily CASCADE;
    DROP EXTENSION pg_cumulate;
END
$$;

-- The ledger's days that are there, with their snapshots.
CREATE FUNCTION ledger(OUT day date, OUT state text, OUT rows bigint, OUT notes bigint, OUT snapshot text)
RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY
    SELECT d.day, d.state, d.rows, d.notes,
           (SELECT string_agg(format('%s %s', v.page, v.visits_array), ', ' ORDER BY v.page)
            FROM visits v WHERE v.snapshot_date = d.day)
    FROM cumulate.days d
    WHERE d.target = 'visits'::regclass AND d.day < '2024-06-01' AND d.state <> 'missing'
    ORDER BY d.day;
END
$$;

-- Repairs what waits; the differences that verify finds after that, of which there must be none.
CREATE FUNCTION settle(OUT repaired bigint, OUT differences bigint) LANGUAGE plpgsql AS $$
BEGIN
    repaired := cumulate.apply_late('visits');
    differences := (SELECT count(*) FROM cumulate.verify('visits'));
END
$$;
