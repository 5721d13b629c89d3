-- One overload for each element type, so that literals, NULL and count(*) all resolve. Not strict: NULL starts anew.

CREATE FUNCTION cumulate.shift(history smallint[], newest smallint, size integer) RETURNS smallint[]
IMMUTABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'shift_smallint';
CREATE FUNCTION cumulate.total(history smallint[], days integer DEFAULT NULL) RETURNS bigint
IMMUTABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'total_smallint';

CREATE FUNCTION cumulate.shift(history integer[], newest integer, size integer) RETURNS integer[]
IMMUTABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'shift_integer';
CREATE FUNCTION cumulate.total(history integer[], days integer DEFAULT NULL) RETURNS bigint
IMMUTABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'total_integer';

CREATE FUNCTION cumulate.shift(history bigint[], newest bigint, size integer) RETURNS bigint[]
IMMUTABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'shift_bigint';
CREATE FUNCTION cumulate.total(history bigint[], days integer DEFAULT NULL) RETURNS bigint
IMMUTABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'total_bigint';

CREATE FUNCTION cumulate.shift(history real[], newest real, size integer) RETURNS real[]
IMMUTABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'shift_real';
CREATE FUNCTION cumulate.total(history real[], days integer DEFAULT NULL) RETURNS double precision
IMMUTABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'total_real';

CREATE FUNCTION cumulate.shift(history double precision[], newest double precision, size integer) RETURNS double precision[]
IMMUTABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'shift_double';
CREATE FUNCTION cumulate.total(history double precision[], days integer DEFAULT NULL) RETURNS double precision
IMMUTABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'total_double';

CREATE FUNCTION cumulate.shift(history numeric[], newest numeric, size integer) RETURNS numeric[]
IMMUTABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'shift_numeric';
CREATE FUNCTION cumulate.total(history numeric[], days integer DEFAULT NULL) RETURNS numeric
IMMUTABLE PARALLEL SAFE LANGUAGE c AS 'MODULE_PATHNAME', 'total_numeric';
