-- Silences: where the archive has nothing of a point for longer than so many seconds, the longest first.
--
--   :tag     names of points as LIKE takes them: 'FIC%', or '%' for all
--   :since   the begin, such as '2024-01-31T00:00:00Z'
--   :until   the end, exclusive
--   :seconds the longest time without an event that is no gap
--
-- A silence that began earlier, or lasts still, counts: from the last event before the begin, and to where the point is covered, but not
-- beyond the end. It is what PI has, and mostly normal: a point whose value stands still has no events. What was not read from PI is
-- another matter, which pi_completeness tells.
WITH asked AS (
  SELECT point_key, tag, covered_from, least(covered_to, CAST(:until AS TIMESTAMP)) AS ends FROM pi_watermarks WHERE tag LIKE :tag
),
moments AS (
  SELECT point_key, event_time AS at FROM pi_timeseries_cleaned
  WHERE event_time >= CAST(:since AS TIMESTAMP) AND event_time < CAST(:until AS TIMESTAMP)
  UNION ALL
  SELECT point_key, max(event_time) FROM pi_timeseries_cleaned WHERE event_time < CAST(:since AS TIMESTAMP) GROUP BY point_key
  UNION ALL
  SELECT point_key, covered_from FROM asked
  UNION ALL
  SELECT point_key, ends FROM asked
)
SELECT tag, point_key, silent_from, at AS silent_to, (unix_micros(at) - unix_micros(silent_from)) / 1e6 AS silent_seconds
FROM (
  SELECT tag, point_key, at, lag(at) OVER (PARTITION BY point_key ORDER BY at) AS silent_from
  FROM moments JOIN asked USING (point_key)
  WHERE at <= ends
)
WHERE at > CAST(:since AS TIMESTAMP) AND unix_micros(at) - unix_micros(silent_from) > CAST(:seconds AS DOUBLE) * 1e6
ORDER BY silent_seconds DESC, tag, point_key, silent_from
