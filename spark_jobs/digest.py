"""The digest of `schemas/digest.py` as Spark columns, so that the lakehouse proves its rows against the statements without Python.

Columns are taken by name from `pi_timeseries`. Equal results are tested against `schemas/digest_vectors.json`.
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from schemas.digest import VALUE_TYPE_CODES


def status() -> Column:
    """Value type, state code and flags of a sample in one bigint."""
    flags = sum(
        (F.col(flag).cast("bigint") * (1 << bit) for bit, flag in enumerate(("good", "questionable", "substituted", "annotated"))),
        F.lit(0).cast("bigint"),
    )
    kind = F.lit(VALUE_TYPE_CODES["UNKNOWN"])
    for name, code in VALUE_TYPE_CODES.items():
        kind = F.when(F.col("value_type") == name, F.lit(code)).otherwise(kind)
    return (
        flags
        + kind.cast("bigint") * 16
        + F.coalesce(_state("digital_code", 1 << 8), _state("system_state", 1 << 9), F.lit(0).cast("bigint"))
    )


def _state(column: str, mark: int) -> Column:
    """The code as unsigned 32 bits above its mark; null if it is not set."""
    return F.shiftleft(F.col(column).cast("bigint").bitwiseAND(F.lit(0xFFFFFFFF)), 16) + F.lit(mark)


def sample_hash() -> Column:
    """Signed 64-bit hash of a sample; the same bits as `schemas.digest.hash_of`."""
    return F.xxhash64(
        status(),
        F.unix_micros("event_time") * 10 + F.col("ticks"),
        F.col("value_double"),
        F.col("value_long"),
        F.when(F.col("value_type") == "STRING", F.col("value_string")),
        F.col("value_bytes"),
    )


def digest() -> Column:
    """Aggregate: digest of the samples in a group, 0 for none. Each sum stays below 2**63 for two thousand million samples."""
    low = F.sum(sample_hash().bitwiseAND(F.lit(0xFFFFFFFF)))
    high = F.sum(F.shiftrightunsigned(sample_hash(), 33))
    packed = F.shiftleft(high.bitwiseAND(F.lit(0x7FFFFFFF)), 32).bitwiseOR(low.bitwiseAND(F.lit(0xFFFFFFFF)))
    return F.coalesce(packed, F.lit(0).cast("bigint"))
