-- Silences: where the archive has nothing between two events of a point for longer than so many seconds, the longest first.
--
--   :tag     names of points as LIKE takes them: 'FIC%', or '%' for all
--   :since   the begin, such as '2024-01-31T00:00:00Z'
--   :until   the end, exclusive
--   :seconds the longest time between two events that is no gap
--
-- A silence is what PI has, and mostly normal: a point whose value stands still has no events. What was not read from PI is another
-- matter, which pi_completeness tells.
SELECT tag, point_key, silent_from, event_time AS silent_to, (unix_micros(event_time) - unix_micros(silent_from)) / 1e6 AS silent_seconds
FROM (
  SELECT tag, point_key, event_time, lag(event_time) OVER (PARTITION BY point_key ORDER BY event_time, ticks, ordinal) AS silent_from
  FROM pi_timeseries_cleaned
  WHERE tag LIKE :tag AND event_time >= CAST(:since AS TIMESTAMP) AND event_time < CAST(:until AS TIMESTAMP)
)
WHERE unix_micros(event_time) - unix_micros(silent_from) > CAST(:seconds AS DOUBLE) * 1e6
ORDER BY silent_seconds DESC, tag, point_key, silent_from
