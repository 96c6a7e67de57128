-- What was known at a time: the archive as the reads that had been sent until then had shown it.
--
--   :tag     names of points as LIKE takes them: 'FIC%', or '%' for all
--   :time    the time, such as '2024-01-31T00:00:00Z'
--
-- Events that hold and were known then, and those that were shown then and have been corrected since.
SELECT
  source, point_key, tag, event_time, ticks, ordinal, value_type, value_double, value_long, value_string, value_bytes, digital_code,
  system_state, system_state_name, good, questionable, substituted, annotated
FROM pi_timeseries_cleaned
WHERE tag LIKE :tag AND known_time <= CAST(:time AS TIMESTAMP)
UNION ALL
SELECT
  source, point_key, tag, event_time, ticks, ordinal, before_value_type, before_value_double, before_value_long, before_value_string,
  before_value_bytes, before_digital_code, before_system_state, before_system_state_name, before_good, before_questionable,
  before_substituted, before_annotated
FROM pi_corrections
WHERE tag LIKE :tag AND before_known_time <= CAST(:time AS TIMESTAMP) AND known_time > CAST(:time AS TIMESTAMP)
ORDER BY point_key, event_time, ticks, ordinal
