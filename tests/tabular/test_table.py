"""Tables: choosing, cleaning, encoding, tensors."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rushlight as rl
from rushlight import tabular
from rushlight.tabular import Column, ColumnError, Table, TableError, as_table, concat, read_csv

TEXT = "age,city,height,paid\n30,Rom,1.5,True\n,Wien,NA,False\n20,NA,2.5,True\n30,Rom,2.0,\n"


@pytest.fixture
def people():
    return read_csv(io.StringIO(TEXT))


def test_columns_rows_and_both(people):
    assert people.shape == (4, 4) and len(people) == 4 and "city" in people
    assert people.kinds == {"age": "integer", "city": "text", "height": "real", "paid": "boolean"}
    assert people.missing == {"age": 1, "city": 1, "height": 1, "paid": 1}
    assert people["age"].tolist() == [30, None, 20, 30]
    assert people[["city", "age"]].columns == ["city", "age"]
    assert people[1:3]["city"].tolist() == ["Wien", None]
    assert people[[3, 0]]["height"].tolist() == [2.0, 1.5]
    assert people[people["city"] == "Rom"]["height"].tolist() == [1.5, 2.0]
    assert people.head(1)["age"][0] == 30 and people["age"][1] is None


def test_comparisons_leave_missing_values_out(people):
    age = people["age"]
    for test, wanted in (
        (age > 20, [True, False, False, True]),
        (age <= 20, [False, False, True, False]),
        (age != 30, [False, False, True, False]),
        (age == people["age"], [True, False, True, True]),
        (people["city"].isin(["Wien"]), [False, True, False, False]),
    ):
        assert test.tolist() == wanted


def test_statistics_ignore_missing_values(people):
    age = people["age"]
    assert age.mean() == pytest.approx(80 / 3) and age.median() == 30 and age.mode() == 30
    assert age.std() == pytest.approx(np.std([30, 20, 30], ddof=1))
    assert people["city"].counts() == {"Rom": 2, "Wien": 1}
    assert people["city"].unique() == ["Rom", "Wien"]
    with pytest.raises(TableError, match="every value is missing"):
        Column("x", np.array([np.nan])).mean()


def test_missing_columns_are_named_with_the_nearest(people):
    for call in (
        lambda: people["Age"],
        lambda: people.drop("Age"),
        lambda: people[["city", "Age"]],
        lambda: people.rename({"Age": "x"}),
        lambda: people.fill(0, columns=["Age"]),
    ):
        with pytest.raises(ColumnError) as caught:
            call()
        text = "no 'Age'; did you mean 'age'? columns: age, city, height, paid"
        assert str(caught.value) == text and isinstance(caught.value, KeyError)
    with pytest.raises(ColumnError, match="no 'hight'; did you mean 'height'"):
        people["hight"]


def test_drop_rename_and_with_column(people):
    assert people.drop("age", "city").columns == ["height", "paid"]
    assert people.drop(columns=["age"]).columns == ["city", "height", "paid"]
    assert people.rename({"age": "years"}).columns == ["years", "city", "height", "paid"]
    wider = people.with_column("n", [1, 2, 3, 4]).with_column("age", people["height"])
    assert wider.columns == [*people.columns, "n"] and wider["age"].kind == "real"
    assert wider.with_column("t", rl.tensor([1.0, 2.0, 3.0, 4.0]))["t"].tolist() == [1, 2, 3, 4]
    with pytest.raises(TableError, match="different lengths"):
        people.with_column("n", [1])
    assert people.columns == ["age", "city", "height", "paid"]


def test_missing_values_demand_a_choice(people):
    numbers = people[["age", "height"]]
    with pytest.raises(
        TableError, match=r"age: 1 of 4 values are missing \(first at line 3\)"
    ) as e:
        numbers.to_tensor()
    assert all(word in e.value.__notes__[0] for word in ("drop_missing", "fill", "flag_missing"))
    assert numbers.drop_missing().to_tensor().tolist() == [[30, 1.5], [20, 2.5], [30, 2.0]]
    assert len(people.drop_missing()) == 1 and len(people.drop_missing("age")) == 3
    assert numbers.fill(0).to_tensor()[1].tolist() == [0, 0]
    assert numbers.fill({"age": 5, "height": -1.0}).to_tensor()[1].tolist() == [5, -1]
    assert numbers.fill(strategy="mean")["height"][1] == 2.0
    assert numbers.fill(strategy="mean")["age"][1] == pytest.approx(80 / 3)
    flagged = numbers.flag_missing()
    assert flagged.columns == ["age", "height", "age_missing", "height_missing"]
    assert flagged["age_missing"].tolist() == [False, True, False, False]
    assert numbers.missing == {"age": 1, "height": 1}


def test_fill_touches_only_what_fits(people):
    assert people.fill(7).missing == {"city": 1, "paid": 1}
    assert people.fill("nowhere").missing == {"age": 1, "height": 1, "paid": 1}
    assert people.fill(False).missing == {"age": 1, "city": 1, "height": 1}
    assert people.fill(strategy="mode").missing == {}
    assert people.fill(strategy="mode")["city"][2] == "Rom"
    with pytest.raises(TableError, match="city: 7 does not fit a column of kind text"):
        people.fill(7, columns="city")
    with pytest.raises(TableError, match="age: True does not fit"):
        people.fill(True, columns=["age"])
    with pytest.raises(TypeError, match="either a value or a strategy"):
        people.fill()
    with pytest.raises(ValueError, match="mean, median or mode"):
        people.fill(strategy="guess")


def test_text_among_numbers_is_named_by_line():
    table = read_csv(io.StringIO("age\n1\n2\nx\n4\n"))
    for call in (table.to_tensor, lambda: table.standardize("age"), table["age"].mean):
        with pytest.raises(TableError, match=r"age: line 4 'x' is not a number \(1 of 4\)") as e:
            call()
        assert "na_values=['x']" in e.value.__notes__[0]
    with pytest.raises(TableError, match="line 4 'x'"):
        table[table["age"] != "1"].to_tensor()
    with pytest.raises(TableError, match="city: line 2 'Rom'") as caught:
        read_csv(io.StringIO("city\nRom\nWien\n")).to_tensor()
    assert "one_hot(['city'])" in caught.value.__notes__[0]
    with pytest.raises(TableError, match="stored as text"):
        read_csv(io.StringIO("id\n99999999999999999999\n")).to_tensor()


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=30))
def test_standardize_gives_mean_zero_and_spread_one(values):
    column = Column("x", np.array(values, object))
    if column.missing.all():
        return
    table = Table([column]).standardize()
    assert table["x"].missing.tolist() == column.missing.tolist()
    present = table["x"].present
    if len(set(column.present.tolist())) == 1:
        assert not present.any()
    elif column.std() > 1e-6 * np.abs(column.present).max():
        assert abs(present.mean()) < 1e-6 and present.std(ddof=1) == pytest.approx(1)


def test_test_data_are_standardized_as_the_training_data(people):
    train, test = people[:1], people[2:]
    statistics = people.statistics()
    assert list(statistics) == ["age", "height"]
    result = test.standardize(statistics=statistics)
    mean, std = statistics["height"]
    assert result["height"].tolist() == pytest.approx([(2.5 - mean) / std, (2.0 - mean) / std])
    assert math.isnan(train.statistics()["age"][1])


def test_one_hot_is_pandas_get_dummies(people):
    table = people.one_hot(missing_column=True)
    assert table.columns == ["age", "height", "paid", "city_Rom", "city_Wien", "city_nan"]
    assert table["city_Rom"].tolist() == [True, False, False, True]
    assert table["city_nan"].tolist() == [False, False, True, False]
    assert people.one_hot().columns[-1] == "city_Wien"
    ages = people.one_hot("age")
    assert ages.columns == ["city", "height", "paid", "age_20", "age_30"]
    group = table[["city_Rom", "city_Wien", "city_nan"]].to_tensor()
    assert group.sum(1).tolist() == [1, 1, 1, 1]


def test_one_hot_of_other_data_keeps_the_columns(people):
    known = people.categories()
    other = read_csv(io.StringIO("city\nWien\nNA\n"))
    assert other.one_hot(categories=known)["city_Rom"].tolist() == [False, False]
    strange = read_csv(io.StringIO("city\nWien\nBonn\n"))
    with pytest.raises(TableError, match="city: line 3 'Bonn' is not among the 2 categories"):
        strange.one_hot(categories=known)


def test_to_tensor_types(people):
    whole = people[["age", "paid"]].drop_missing()
    assert whole.to_tensor().dtype == rl.float32
    assert whole.to_tensor(dtype=rl.int64).tolist() == [[30, 1], [20, 1]]
    assert whole.to_numpy("age", np.float64).tolist() == [[30.0], [20.0]]
    large = Table([Column("id", np.array([2**53 + 1]))])
    assert large.to_tensor(dtype=rl.int64).item() == 2**53 + 1


def test_concat_widens_and_checks(people):
    real = read_csv(io.StringIO("age,city,height,paid\n1.5,NA,3,True\n"))
    both = concat([people, real])
    assert both["age"].tolist() == [30, None, 20, 30, 1.5] and both.kinds["age"] == "real"
    assert both["height"].tolist() == [1.5, None, 2.5, 2.0, 3.0]
    with pytest.raises(TableError, match=r"table 1 has other columns than table 0: \['age'\]"):
        concat([people, people.drop("age")])
    with pytest.raises(TableError, match="city: kinds differ"):
        concat([people, people.with_column("city", [1, 2, 3, 4])])
    with pytest.raises(TableError, match="at least one"):
        concat([])


class Frame:
    """What pandas and polars frames have in common."""

    columns = ("a", "b")

    def __getitem__(self, name):
        return Column(name, np.array([1, 2]) if name == "a" else np.array(["x", None], object))

    def to_numpy(self):
        raise AssertionError("column by column")


def test_as_table():
    table = as_table({"a": [1, None], "b": ["x", "y"], "c": np.array([1.0, 2.0], "f4")})
    assert table.kinds == {"a": "integer", "b": "text", "c": "real"}
    assert as_table(table) is table
    assert as_table(np.eye(2))["1"].tolist() == [0.0, 1.0]
    with pytest.raises(TableError, match="rows and columns"):
        as_table(np.zeros(3))
    with pytest.raises(TableError, match="one kind are needed, got int, str"):
        as_table({"a": [1, "x"]})
    with pytest.raises(TableError, match="no place in a table"):
        as_table({"a": np.zeros(2, complex)})
    with pytest.raises(TableError, match="too large for int64"):
        as_table({"a": np.array([2**63], np.uint64)})


def test_frames_are_taken_column_by_column():
    class Series(Column):
        def to_numpy(self):
            return self.values

    class Numbers(Frame):
        def __getitem__(self, name):
            return Series(name, super().__getitem__(name).values)

    table = as_table(Numbers())
    assert table["a"].tolist() == [1, 2] and table["b"].tolist() == ["x", None]


def test_repr_is_short_however_large(people):
    lines = repr(people).splitlines()
    assert lines[0] == "Table: 4 rows, 4 columns"
    assert lines[1].split() == ["age", "integer", "1", "missing", "30,", "None,", "20,", "30"]
    wide = Table(Column(f"c{n}", np.arange(50)) for n in range(500))
    assert len(repr(wide).splitlines()) == 42
    assert repr(people["age"]) == "Column('age', integer, 4 rows, 1 missing: 30, None, 20, 30)"
    assert tabular.Table is Table
