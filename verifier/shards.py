"""Which partition Kafka's Java client gives to a key: MurmurHash2, 32 bits, as its default partitioner has it. Pure."""

_M = 0x5BD1E995
_WORD = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """The unsigned hash, with Kafka's seed."""
    state = (0x9747B28C ^ len(key)) & _WORD
    words, rest = divmod(len(key), 4)
    for number in range(words):
        word = int.from_bytes(key[4 * number : 4 * number + 4], "little") * _M & _WORD
        word = (word ^ (word >> 24)) * _M & _WORD
        state = (state * _M & _WORD) ^ word
    if rest:
        state = (state ^ int.from_bytes(key[-rest:], "little")) * _M & _WORD
    state = (state ^ (state >> 13)) * _M & _WORD
    return state ^ (state >> 15)


def shard_of(point_key: str, partitions: int) -> int:
    """The shard that owns a point."""
    return (murmur2(point_key.encode("utf-8")) & 0x7FFFFFFF) % partitions
