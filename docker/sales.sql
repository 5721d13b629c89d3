-- The extension and its sales pipeline, with mock events from the start date to yesterday unless there are some.
-- The scheduler closes the days.
CREATE EXTENSION IF NOT EXISTS pg_cumulate;
SELECT sales.generate_events(:'events', :'products', '2024-12-01', (now() AT TIME ZONE 'UTC')::date - 1,
                             seed => :'seed', profile => 'retail') AS events
WHERE NOT EXISTS (SELECT FROM sales.events);
