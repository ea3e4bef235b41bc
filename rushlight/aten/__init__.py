"""torch's operators below autograd, for modes and tensor classes that look at them.

`door` loads the whole table of operators; `forms` stands alone, for `_ops.py` reads it without one.
"""
