-- What a user asks and reads: activity, growth, cohorts, series and rankings of a small shop.
SET DateStyle = 'ISO';
CREATE SCHEMA club;
CREATE TABLE club.visit (branch text, member integer, at timestamptz, paid numeric(8,2));
-- 2 February 2024 is a Friday; in New York it is still that day when in UTC the next one has begun.
INSERT INTO club.visit
SELECT CASE WHEN n % 3 = 0 THEN 'North' ELSE 'O''Hara' END, n % 5, '2024-02-02 20:00 America/New_York'::timestamptz + n * n % 31 * interval '22 hours', n / 4.0
FROM generate_series(1, 40) AS n;
SELECT cumulate.create_table('club.members', 'club.visit', 'at', '{branch,member}',
    '{"visits": "count(*)", "paid": {"value": "sum(paid)", "type": "numeric(8,2)"}, "highest": {"value": "max(paid)", "rollup": "max"}}',
    windows => '{7,28}', start_date => '2024-02-02', time_zone => 'America/New_York');
SELECT cumulate.cumulate_range('club.members', '2024-02-02', '2024-03-03');
SELECT * FROM cumulate.active_keys('club.members', '2024-02-24');
SELECT * FROM cumulate.growth('club.members');
SELECT * FROM cumulate.growth('club.members', 'month', to_day => '2024-03-02', metric => 'paid');
SELECT * FROM cumulate.growth('club.members', '10', '2024-02-14', '2024-03-02');
SELECT * FROM cumulate.cohorts('club.members', periods => 3);
SELECT * FROM cumulate.cohorts('club.members', 'month');
SELECT * FROM cumulate.series('club.members', 'paid', from_day => '2024-02-26');
SELECT * FROM cumulate.series('club.members', 'paid', '{"member": 1, "branch": "O''Hara"}', '2024-02-26', '2024-02-29');
SELECT * FROM cumulate.series('club.members', 'highest', from_day => '2024-03-01');
SELECT * FROM cumulate.top('club.members', 'paid', n => 3);
SELECT * FROM cumulate.top('club.members', 'visits', '2024-02-29', 7);
SELECT * FROM cumulate.movers('club.members', 'paid', n => 4);
-- They are functions of the select list, too, and read what the caller's transaction has repaired.
BEGIN;
DELETE FROM club.visit WHERE member = 1;
SELECT cumulate.apply_late('club.members');
SELECT cumulate.top('club.members', 'paid', n => 1);
SELECT active, new, retained, resurrected, churned FROM cumulate.growth('club.members', '28') ORDER BY period_start DESC LIMIT 1;
ROLLBACK;
SELECT cumulate.drop_table('club.members');
SET client_min_messages = warning;
DROP SCHEMA club CASCADE;
