-- How many live values came late, by point and day of their arrival (UTC).
--
--   :tag     names of points as LIKE takes them: 'FIC%', or '%' for all
--   :since   the first arrival, such as '2024-01-31T00:00:00Z'
--   :until   the end, exclusive
--   :seconds so long after its own time a value may come without being late
--
-- Lateness here is arrival less timestamp, so that a clock that is wrong counts as well: pi_late_events takes that off, and knows causes.
-- Previews that a read published (via READ) are left out: their delay is the bridge's.
SELECT
  max(tag) AS tag,
  point_key,
  date_trunc('DAY', received_time) AS day,
  count(*) AS live_values,
  count_if(lateness_seconds > CAST(:seconds AS DOUBLE)) AS late_values,
  count_if(lateness_seconds > CAST(:seconds AS DOUBLE)) / count(*) AS late_share,
  max(lateness_seconds) AS greatest_lateness_seconds
FROM (
  SELECT tag, point_key, received_time, (unix_micros(received_time) - unix_micros(event_time)) / 1e6 AS lateness_seconds
  FROM pi_timeseries
  WHERE origin = 'LIVE' AND via <> 'READ' AND tag LIKE :tag
    AND received_time >= CAST(:since AS TIMESTAMP) AND received_time < CAST(:until AS TIMESTAMP)
)
GROUP BY point_key, date_trunc('DAY', received_time)
ORDER BY late_share DESC, tag, point_key, day
