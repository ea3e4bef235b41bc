"""Reading CSV files: values, kinds, gaps, and every way a file can be wrong."""

from __future__ import annotations

import csv
import gzip
import io
import math
import re
import tracemalloc
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rushlight import tabular
from rushlight.tabular import (
    EmptyData,
    PrecisionWarning,
    TableError,
    parse,
    read_csv,
    reader,
    stream_csv,
)
from rushlight.tabular import lines as module
from rushlight.tabular.parse import MISSING


def read(text, **options):
    return read_csv(io.StringIO(text), **options)


def lists(table):
    return {name: table[name].tolist() for name in table.columns}


KINDS = [
    ("1\n-2\n+3", "integer", [1, -2, 3]),
    ("1\n2.5", "real", [1.0, 2.5]),
    ("1e3\n-inf", "real", [1000.0, -math.inf]),
    ("007\n 8", "integer", [7, 8]),
    ("True\nFALSE\ntrue", "boolean", [True, False, True]),
    ("a\nb", "text", ["a", "b"]),
    ("1\nb", "text", ["1", "b"]),
    ("True\n1", "text", ["True", "1"]),
    ("1_000\n2", "text", ["1_000", "2"]),
    ("1\nNA\n3", "integer", [1, None, 3]),
    ("0.5\n \nnan", "real", [0.5, None, None]),
    ("a\nNULL", "text", ["a", None]),
    ("True\nNone", "boolean", [True, None]),
    ("NA\nNA", "real", [None, None]),
    ("9007199254740993\n1", "integer", [2**53 + 1, 1]),
    ("18446744073709551616\n1", "text", ["18446744073709551616", "1"]),
]


@pytest.mark.parametrize("cells", [1, 2, 3, 1000])
@pytest.mark.parametrize(("body", "kind", "values"), KINDS)
def test_kind_and_values_do_not_depend_on_the_block_size(monkeypatch, cells, body, kind, values):
    monkeypatch.setattr(reader, "CELLS", cells)
    table = read("x\n" + body + "\n")
    assert table.kinds == {"x": kind} and table["x"].tolist() == values


CELL = st.one_of(
    st.integers(-(10**12), 10**12).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["", "NA", "True", "False"]),
    st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=6),
)


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(CELL, min_size=n, max_size=n))))
@settings(
    deadline=None,
    max_examples=80,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_written_tables_are_read_back(monkeypatch, rows):
    width = len(rows[0]) if rows else 2
    names = [f"c{number}" for number in range(width)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([names, *rows])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PrecisionWarning)
        table = read(text.getvalue())
        as_text = read(text.getvalue(), dtype=str, keep_default_na=False)
        monkeypatch.setattr(reader, "CELLS", 3)
        assert lists(read(text.getvalue())) == lists(table)
        parts = list(stream_csv(io.StringIO(text.getvalue()), 2))
    assert table.columns == names and len(table) == len(rows)
    for place, name in enumerate(names):
        cells = [row[place] for row in rows]
        shown = [None if cell.isspace() else cell for cell in cells]
        assert as_text[name].tolist() == shown
        for cell, value in zip(cells, table[name].tolist(), strict=True):
            if value is None:
                assert cell in MISSING or cell.isspace() or float(cell) != float(cell)
            elif table[name].kind in ("integer", "real"):
                assert float(cell) == value
            else:
                assert cell == str(value)
    if parts:
        assert lists(tabular.concat(parts)) == lists(table)
        assert [len(part) for part in parts[:-1]] == [2] * (len(parts) - 1)


def test_a_late_word_makes_the_whole_column_text_without_loss(monkeypatch):
    monkeypatch.setattr(reader, "CELLS", 10)
    body = "".join(f"{number:04d},{number}\n" for number in range(100))
    table = read("a,b\n" + body + "x,1.5\n")
    assert table.kinds == {"a": "text", "b": "real"}
    assert table["a"][7] == "0007" and table["a"][100] == "x" and table["b"][100] == 1.5


def test_sources_paths_buffers_and_gzip(tmp_path):
    content = "a,b\n1,é\n"
    (tmp_path / "x.csv").write_text(content, "utf-8")
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(content.encode()))
    buffer = io.BytesIO(b"skip" + content.encode())
    buffer.seek(4)
    for source in (tmp_path / "x.csv", str(tmp_path / "x.csv.gz"), buffer, io.StringIO(content)):
        assert lists(read_csv(source)) == {"a": [1], "b": ["é"]}
    assert not buffer.closed
    with pytest.raises(TypeError, match="path or a buffer"):
        read_csv(3)
    with pytest.raises(FileNotFoundError):
        read_csv(tmp_path / "none.csv")


def test_options():
    text = "junk\na;b;c\n1;2,5;1.000\n?;3;2.000\n4;4;3.000\n"
    table = read(text, sep=";", skiprows=1, na_values="?", decimal=",", thousands=".")
    assert lists(table) == {"a": [1, None, 4], "b": [2.5, 3.0, 4.0], "c": [1000, 2000, 3000]}
    assert lists(read("1,2\n3,4\n", header=None)) == {"0": [1, 3], "1": [2, 4]}
    assert lists(read("1,2\n3,4\n", names=["x", "y"])) == {"x": [1, 3], "y": [2, 4]}
    assert lists(read("1,2\n3,4\n", names=["x", "y"], header=0)) == {"x": [3], "y": [4]}
    assert lists(read("a,b,c\n1,2,3\n4,5,6\n", usecols=["c", "a"], nrows=1)) == {"a": [1], "c": [3]}
    assert lists(read("a,b\n1,2\n", dtype={"a": float, "b": str})) == {"a": [1.0], "b": ["2"]}
    assert lists(read("a\nNA\n", keep_default_na=False)) == {"a": ["NA"]}
    assert lists(read("a,b\n'x,y',2\n", quotechar="'")) == {"a": ["x,y"], "b": [2]}
    with pytest.raises(TypeError, match="separator"):
        read("a", separator=";")


def test_byte_order_marks_blank_lines_and_line_ends():
    assert lists(read_csv(io.BytesIO(b"\xef\xbb\xbfa,b\r\n\r\n1,2\r\n"))) == {"a": [1], "b": [2]}
    table = read_csv(io.BytesIO("a,b\n1,ü\n".encode("utf-16")), encoding="utf-16")
    assert lists(table) == {"a": [1], "b": ["ü"]}
    assert lists(read('a,b\n"x\ny",2\n')) == {"a": ["x\ny"], "b": [2]}


WRONG = [
    ("a,b\n1,2\n\n3\n", r"line 4: expected 2 fields, found 1", "3"),
    ('a,b\n"x\ny",2\n1,2,3\n', r"line 4: expected 2 fields, found 3", "1,2,3"),
    ("a,b,a\n1,2,3\n", r"duplicate column 'a' \(columns 1 and 3\)", "names="),
    ("a;b\n1;2\n", r"one column 'a;b': sep=';'\?", None),
    ("a\tb\n1\t2\n", r"one column 'a\\tb': sep='\\t'\?", None),
    ('a,b\n1,"2\n3,4\n', r"line 2: unexpected end of data", "never closed"),
    (f'a,b\n1,"{"x" * 200_000}"\n', r"line 2: field larger than field limit", "field_size_limit"),
    ('a,b\n1,"2"x\n', r"line 2: ',' expected after '\"'", None),
    ("a,b\n1,2\x00\n", r"NUL byte at offset 7 \(line 2\)", "utf-16"),
    ("<!DOCTYPE html>\n", "this is an HTML page, not a table", None),
]


@pytest.mark.parametrize(("text", "message", "note"), WRONG)
def test_wrong_files_are_named_by_line(tmp_path, text, message, note):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(TableError, match=message) as caught:
        read_csv(path)
    assert str(path) in str(caught.value) and isinstance(caught.value, ValueError)
    assert note is None or note in "".join(caught.value.__notes__)


def test_bytes_of_another_encoding(tmp_path):
    (tmp_path / "x.csv").write_bytes("name,n\nab,1\ncafé,2\n".encode("latin-1"))
    with pytest.raises(TableError, match=r"byte 0xe9 at offset 15 \(line 3\) is not utf-8") as e:
        read_csv(tmp_path / "x.csv")
    assert "'é'" in e.value.__notes__[0] and "encoding='latin-1'" in e.value.__notes__[0]
    assert read_csv(tmp_path / "x.csv", encoding="latin-1")["name"][1] == "café"
    with pytest.raises(TableError, match="UTF-16: encoding='utf-16'"):
        read_csv(io.BytesIO("a,b\n".encode("utf-16")))
    with pytest.raises(LookupError):
        read("a\n", encoding="nonsense")


def test_places_are_right_beyond_the_first_block(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 16)
    lines = [b"\xef\xbb\xbfname,n\n", *(b"%d,%d\n" % (n, n) for n in range(50)), b"caf\xe9,2\n"]
    offset = sum(map(len, lines)) - 4
    with pytest.raises(TableError, match=rf"0xe9 at offset {offset} \(line 52\) is not utf-8"):
        read_csv(io.BytesIO(b"".join(lines)))
    whole = b"".join(lines[:-1])
    assert read_csv(io.BytesIO(whole))["n"].tolist() == list(range(50))
    with pytest.raises(TableError, match=rf"NUL byte at offset {len(whole) + 3} \(line 52\)"):
        read_csv(io.BytesIO(whole + b"1,2\0"))
    monkeypatch.setattr(module, "LONGEST_LINE", 40)
    with pytest.raises(TableError, match="line 1 is longer than 40 bytes"):
        read_csv(io.BytesIO(b"a" * 100))


def test_empty_files():
    for text in ("", "\n\n"):
        with pytest.raises(EmptyData, match="no data"):
            read(text)
    table = read("a,b\n")
    assert table.shape == (0, 2) and table.to_numpy().shape == (0, 2)
    assert list(stream_csv(io.StringIO("a,b\n"), 5)) == []


def test_a_cell_that_does_not_fit_the_kind_asked_for():
    with pytest.raises(TableError, match=r"age: line 4 'x' is not a number \(1 of 4\)") as caught:
        read("age\n1\n2\nx\n4\n", dtype={"age": float})
    assert "na_values=['x']" in caught.value.__notes__[0]
    with pytest.raises(TableError, match=r"line 3 '2\.5' is not a whole number"):
        read("age\n1\n2.5\n", dtype=int)
    with pytest.raises(TableError, match="line 2 '1' is not True or False"):
        read("age\n1\n", dtype={"age": bool})
    with pytest.raises(tabular.ColumnError, match="no 'Age'; did you mean 'age'"):
        read("age\n1\n", dtype={"Age": int})
    with pytest.raises(tabular.ColumnError, match="columns: age"):
        read("age\n1\n", usecols=["height"])
    with pytest.raises(TypeError, match="must be bool, int, float or str"):
        read("age\n1\n", dtype={"age": "int64"})


@pytest.mark.parametrize("cells", [1, 1000])
@pytest.mark.parametrize("body", ["9007199254740993\n1.5\n", "1.5\n9007199254740993\n"])
def test_large_ids_beside_a_fraction_are_not_rounded_silently(monkeypatch, cells, body):
    monkeypatch.setattr(reader, "CELLS", cells)
    with pytest.warns(PrecisionWarning, match="9007199254740993 becomes 9007199254740992") as w:
        read("id\n" + body)
    assert w[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read("id\n9007199254740993\n\n1\nNA\n")["id"][0] == 2**53 + 1
        assert read("id\n9007199254740992\n1.5\n")["id"][0] == 2.0**53


def test_a_stream_takes_the_memory_of_one_chunk_and_can_be_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "CELLS", 1_000)
    monkeypatch.setattr(module, "BLOCK", 10_000)
    path = tmp_path / "x.csv"
    with open(path, "w") as file:
        file.write("a,b,c\n")
        file.writelines(f"{number},{number / 7},word {number}\n" for number in range(20_000))
        file.write("0.5,1,end\n")
    stream = stream_csv(path, 300)
    tracemalloc.start()
    rows, total = 0, 0.0
    for table in stream:
        assert table.kinds == {"a": "real", "b": "real", "c": "text"}
        rows, total = rows + len(table), total + float(table["a"].values.sum())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 20_001 and total == 20_000 * 19_999 / 2 + 0.5
    assert peak < path.stat().st_size
    assert sum(len(table) for table in stream) == rows
    with pytest.raises(ValueError, match="at least 1"):
        stream_csv(path, 0)


@given(st.binary(max_size=80), st.sampled_from([",", ";"]))
@settings(deadline=None, max_examples=150)
def test_any_bytes_give_a_table_or_a_table_error(data, sep):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PrecisionWarning)
        try:
            table = read_csv(io.BytesIO(data), sep)
        except TableError:
            return
    assert len(table.columns) == len(set(table.columns)) > 0


USUAL = ["0", "-5", "42", "007", "1.5", "-0.25", "1e5", "a", "bc", "é", "True", "", "NA"]
RARE = [
    "1234567890123456789", "9223372036854775808", "+3", " 8", "1_000", "--1", "1-2", "-", "inf",
    "NAN", "1e400", "0x10", "１２", " ", "a\x0bb", '"a,b"', '"x\ny"', '"q""q"', '""', 'a"b', '"',
    "a\rb", "\0",
]  # fmt: skip
OPTIONS = [
    {}, {"dtype": float}, {"dtype": int}, {"dtype": str}, {"na_values": "42"}, {"decimal": ","},
    {"thousands": "."}, {"nrows": 3}, {"skiprows": 2}, {"header": None}, {"quotechar": "'"},
]  # fmt: skip


@st.composite
def files(draw):
    cell = st.sampled_from(USUAL * 20 + RARE)
    width = draw(st.integers(1, 3))
    row = st.lists(cell, min_size=width, max_size=width)
    rows = draw(st.lists(row, max_size=12))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    lines = [[f"c{number}" for number in range(width)], *rows]
    return end.join(map(",".join, lines)) + draw(st.sampled_from([end, "", ",", end + end]))


@given(files(), st.sampled_from(OPTIONS), st.sampled_from([1, 5, 1000]), st.integers(1, 9))
@settings(
    deadline=None, max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_plain_lines_read_at_once_are_read_as_one_by_one(text, options, cells, block):
    """Values, kinds, lines, warnings and errors are those of the careful way."""

    def told() -> tuple:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                table = read(text, **options)
            except TableError as error:
                # of how many cells is told for the block that was at hand
                message = re.sub(r" \(\d+ of \d+\)", "", str(error))
                return message, getattr(error, "__notes__", None)
            columns = [table[name] for name in table.columns]
        found = [(c.name, c.kind, repr(c.tolist()), c.lines.tolist()) for c in columns]
        return found, [str(one.message) for one in caught]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "CELLS", cells)
        patch.setattr(module, "BLOCK", block * block * 4)
        quick = told()
        patch.setattr(module.Source, "_plain", lambda *arguments: None)
        patch.setattr(parse, "whole_numbers", lambda cells: None)
        patch.setattr(parse, "real_numbers", lambda cells: None)
        careful = told()
    # Of two mistakes, the first that is met: by lines, or by columns of what is at hand.
    assert quick == careful or (_line(quick) and _line(careful))


@given(st.integers(0, 9 * 10**18 - 1), st.integers(0, 22), st.integers(0, 3), st.booleans())
@settings(deadline=None, max_examples=60)
def test_digits_are_rounded_to_the_nearest_float(whole, places, zeros, minus):
    """Also where a decimal is half way between two of them, and among cells of other forms."""
    digits = "0" * zeros + str(whole).rjust(places + 1, "0")
    written = [digits[: len(digits) - places] + "." + digits[len(digits) - places :]]
    half = 2**53 + (whole | 1) % 2**53  # one bit too many for a float
    written += [f"{half // 2}.5", f"{half * 25 // 100}.{half * 25 % 100:02d}", "0.5", "7.25"]
    cells = ["-" + cell if minus else cell for cell in written]
    for some in (cells, cells[:1], cells[2:3] * 20):
        table = read("x\n" + "\n".join(some) + "\n")
        assert table["x"].tolist() == list(map(float, some))


def test_a_second_loop_knows_the_kinds_until_the_file_changes(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    path.write_text("a\n" + "1\n" * 50)
    stream, passes = stream_csv(path, 20), []
    find = reader._pass
    monkeypatch.setattr(reader, "_pass", lambda *a, **how: passes.append(1) or find(*a, **how))
    assert [len(table) for table in [*stream, *stream]] == [20, 20, 10] * 2 and len(passes) == 1
    path.write_text("a\n" + "1\n" * 30)
    assert [len(table) for table in stream] == [20, 10] and len(passes) == 2


def _line(told: tuple) -> int:
    found = re.search(r"line (\d+)", str(told[0]))
    return int(found[1]) if found and isinstance(told[0], str) else 0
