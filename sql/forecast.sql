-- What comes next, and what is not as expected. Read and answered as the questions of analytics.sql are.

CREATE FUNCTION cumulate.forecast(target regclass, metric text, horizon integer DEFAULT 14, method text DEFAULT 'auto',
                                  level double precision DEFAULT 0.9, key jsonb DEFAULT NULL, as_of date DEFAULT NULL)
RETURNS TABLE (key jsonb, day date, forecast double precision, lower double precision, upper double precision, method text)
STABLE LANGUAGE c AS 'MODULE_PATHNAME', 'forecast';
COMMENT ON FUNCTION cumulate.forecast IS
    'The days to come of a metric with their bounds: of each key, and of all keys together (key NULL)';

CREATE FUNCTION cumulate.backtest(target regclass, metric text, horizon integer DEFAULT 14, origins integer DEFAULT 4)
RETURNS TABLE (class text, method text, rmsse double precision, mae double precision, coverage double precision, keys bigint)
STABLE LANGUAGE c AS 'MODULE_PATHNAME', 'backtest';
COMMENT ON FUNCTION cumulate.backtest IS
    'How good forecasts from days of the past would have been, by class of keys and method';

CREATE FUNCTION cumulate.anomalies(target regclass, metric text, from_day date DEFAULT NULL, to_day date DEFAULT NULL,
                                   threshold double precision DEFAULT 4, direction text DEFAULT 'both',
                                   min_expected double precision DEFAULT 0, key jsonb DEFAULT NULL)
RETURNS TABLE (key jsonb, day date, value double precision, expected double precision, lower double precision,
               upper double precision, score double precision)
STABLE LANGUAGE c AS 'MODULE_PATHNAME', 'anomalies';
COMMENT ON FUNCTION cumulate.anomalies IS
    'Days on which a metric was not as expected the evening before: of all keys together (key NULL), and of each key';
