"""How right the rules of the stream processors are: scripted delays whose truth is known, under virtual time, without servers."""
