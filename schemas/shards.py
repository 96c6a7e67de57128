"""Which shard, and so which partition, a point belongs to (design 3.5)."""


def murmur2(data: bytes) -> int:
    """Kafka's variant of MurmurHash2 (32 bits, seed 0x9747b28c), unsigned: what Java clients do with a record's key."""
    multiplier, length = 0x5BD1E995, len(data)
    h = 0x9747B28C ^ length
    whole = length & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * multiplier & 0xFFFFFFFF
        k = (k ^ k >> 24) * multiplier & 0xFFFFFFFF
        h = h * multiplier & 0xFFFFFFFF ^ k
    if whole != length:
        h = (h ^ int.from_bytes(data[whole:], "little")) * multiplier & 0xFFFFFFFF
    h = (h ^ h >> 13) * multiplier & 0xFFFFFFFF
    return h ^ h >> 15


def shard_of(point_key: str, shards: int) -> int:
    """Shard of a point among `shards`: the partition that Java's default partitioner and aiokafka give to this key."""
    return (murmur2(point_key.encode()) & 0x7FFFFFFF) % shards
