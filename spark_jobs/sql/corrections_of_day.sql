-- What changed in PI's archive after it had been stated, by the day (UTC) on which a read showed it.
--
--   :tag     names of points as LIKE takes them: 'FIC%', or '%' for all
--   :day     the day, such as '2024-01-31'
--
-- change is ADDED, CHANGED or REMOVED; before_value and value are texts of whatever type the value has, or of the state in its place.
SELECT
  tag, point_key, event_time, ordinal, change, before_known_time, known_time,
  coalesce(CAST(before_value_double AS STRING), CAST(before_value_long AS STRING), before_value_string, before_system_state_name) AS before_value,
  coalesce(CAST(value_double AS STRING), CAST(value_long AS STRING), value_string, system_state_name) AS value,
  before_good, good, cause
FROM pi_corrections
WHERE tag LIKE :tag AND known_time >= CAST(:day AS TIMESTAMP) AND known_time < CAST(:day AS TIMESTAMP) + INTERVAL 1 DAY
ORDER BY tag, point_key, event_time, ticks, ordinal, known_time
