"""What goes wrong with tables."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ..core.errors import fail


class TableError(ValueError):
    """A table that cannot be read or used as asked, with file, line and column where known.

    >>> from rushlight import tabular
    >>> issubclass(tabular.TableError, ValueError)
    True
    """


class EmptyData(TableError):
    """A file without so much as a header.

    >>> from rushlight import tabular
    >>> issubclass(tabular.EmptyData, tabular.TableError)
    True
    """


class ColumnError(KeyError):
    """A column that is not there; a KeyError, as in pandas.

    >>> from rushlight import tabular
    >>> issubclass(tabular.ColumnError, KeyError)
    True
    """

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class PrecisionWarning(UserWarning):
    """Whole numbers too large to be kept exactly in a column of real numbers.

    >>> import io, warnings
    >>> from rushlight import tabular
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     _ = tabular.read_csv(io.StringIO("id\\n9007199254740993\\n0.5\\n"))
    >>> [warning.category.__name__ for warning in told]
    ['PrecisionWarning']
    """


def no_column(name: object, names: Iterable[str]) -> BaseException:
    """The error for a name that is not among `names`, with the nearest one."""
    names = list(names)
    near = [other for other in names if other.lower().strip() == str(name).lower().strip()]
    near = near or difflib.get_close_matches(str(name), names, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")
    return fail(ColumnError, f"no {name!r}{hint} columns: {shown}")
