"""Throughput of the stream processors, beside Faust with a record a value and a bare loop."""
