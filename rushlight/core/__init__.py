"""The mechanism that all else is built on: the tensor, the tape, and how an op is called.

Where to begin: `primitive.py` says what a declaration holds, `calls.py` is the short way of a call
and `dispatch.py` the long one, `tape.py` what they record. No module here names an op.
"""
