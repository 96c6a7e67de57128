-- The last value of each point, be it archived or still a preview.
--
--   :tag     names of points as LIKE takes them: 'FIC%', or '%' for all
--
-- value_double, value_long or value_string holds the value, by value_type; where PI has a system state in its place, all are null and
-- system_state_name says which. archived is false for a preview, which compression may still discard.
SELECT tag, point_key, event_time, value_type, value_double, value_long, value_string, system_state_name, uom, good, archived
FROM (
  SELECT *, row_number() OVER (PARTITION BY point_key ORDER BY event_time DESC, ticks DESC, ordinal DESC, archived) AS place
  FROM pi_timeseries_now
  WHERE tag LIKE :tag
)
WHERE place = 1
ORDER BY tag, point_key
