"""The test of the tester: defects put into bridge and job on purpose, each of which the verifier has to notice."""
