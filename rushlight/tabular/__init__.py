"""Tables of numbers and text: read CSV files, clean them, make tensors of them.

>>> import io
>>> from rushlight import tabular
>>> table = tabular.read_csv(io.StringIO("rooms,alley\\n2,Pave\\n,NA\\n4,NA\\n"))
>>> table.fill(strategy="mean").one_hot(missing_column=True).to_tensor().tolist()
[[2.0, 1.0, 0.0], [3.0, 0.0, 1.0], [4.0, 0.0, 1.0]]
"""

from .column import Column
from .errors import ColumnError, EmptyData, PrecisionWarning, TableError
from .reader import read_csv, stream_csv
from .stream import TableStream
from .table import Table, as_table, concat

__all__ = [
    "Column",
    "ColumnError",
    "EmptyData",
    "PrecisionWarning",
    "Table",
    "TableError",
    "TableStream",
    "as_table",
    "concat",
    "read_csv",
    "stream_csv",
]
