-- Hourly averages, weighed by the time for which a value holds: between two events a line, for step points the earlier value.
--
--   :tag     names of points as LIKE takes them: 'FIC%', or '%' for all
--   :since   the first hour, such as '2024-01-31T00:00:00Z'
--   :until   the end, exclusive
--
-- value_share is the share of the hour for which a number holds: judge by it how much an average is worth. covered is false where the
-- hour reaches beyond all that was ever stated about the point; holes within that, whose archive was away, show in pi_coverage alone.
SELECT tag, point_key, hour, average, minimum, maximum, uom, events, good_share, value_seconds / 3600 AS value_share, covered
FROM pi_metrics_hourly
WHERE tag LIKE :tag AND hour >= CAST(:since AS TIMESTAMP) AND hour < CAST(:until AS TIMESTAMP)
ORDER BY tag, point_key, hour
