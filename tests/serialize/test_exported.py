"""Files of exported programs become source text: a name in them that is code must stay a text."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight import nn, sym
from rushlight.serialize import CheckpointError
from tests.serialize.test_fuzz import mutate
from tests.serialize.tools import packed, records


def _file(change: Callable[[Any], None] = lambda data: None) -> io.BytesIO:
    """A file of an exported program, its data changed."""
    file, changed = io.BytesIO(), io.BytesIO()
    rl.export.save(rl.export.export(nn.Linear(3, 2), (rl.ones(1, 3),)), file)
    file.seek(0)
    data = rl.load(file)
    change(data)
    rl.save(data, changed)
    changed.seek(0)
    return changed


def _named(data: Any, op: str) -> Any:
    return [row for row in data["nodes"] if row["op"] == op][-1]


PLACES = {
    "input": lambda data, text: _named(data, "placeholder").update(target=text),
    "argument": lambda data, text: _named(data, "call_function").update(kwargs=["dict", {text: 1}]),
    "input's node": lambda data, text: _named(data, "placeholder").update(name=text),
    "node": lambda data, text: _named(data, "call_function").update(name=text),
    "signature": lambda data, text: data["inputs"][-1].__setitem__(1, [text, False, None]),
    "names": lambda data, text: data.update(names=[text]),
    "range": lambda data, text: data.update(symbols=[[0, 0, text]], ranges={text: [0, 5]}),
    "size": lambda data, text: _named(data, "placeholder").update(
        meta=["dict", {"sym": ["list", [text]], "shape": ["list", [text]]}]
    ),
}


@pytest.mark.parametrize("form", ["x={}", "x):\n    pass\n{}\ndef forward(self, y", "x;{};y", "{}"])
@pytest.mark.parametrize("place", PLACES)
def test_no_text_of_a_file_is_run(place: str, form: str, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    text = form.format(f"open({str(mark)!r}, 'w')")
    file = _file(lambda data: PLACES[place](data, text))
    try:
        model = rl.export.load(file).module()
        model(rl.ones(1, 3))
    except RuntimeError as error:
        assert "in a name's place" in str(error) or "damaged" in str(error)
    else:
        assert place not in ("input", "argument")
    assert not mark.exists()


@pytest.mark.parametrize("name", ["a=print()", "a b", "class", ""])
def test_graphs_refuse_what_is_no_name(name: str) -> None:
    graph = rl.fx.Graph()
    x = graph.placeholder("x")
    graph.output(graph.call_function(rl.add, (x, x), {name: 1}))
    with pytest.raises(SyntaxError, match="is not a name"):
        rl.fx.GraphModule({}, graph)


def test_names_of_parts_become_names_in_the_program() -> None:
    """As torch 2.13 names them."""

    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            weights = {"my-key": nn.Parameter(rl.ones(3)), "my key": nn.Parameter(rl.ones(3))}
            self.p, self.seq = nn.ParameterDict(weights), nn.ModuleDict({"li-n": nn.Linear(3, 3)})
            self.register_buffer("a-b", rl.ones(3))

        def forward(self, x: Any) -> Any:
            y = self.seq["li-n"](x * self.p["my-key"])
            return y + self.p["my key"] + getattr(self, "a-b")

    model, x = Odd(), rl.ones(3)
    program = rl.export.export(model, (x,))
    names = [node.target for node in program.graph.nodes if node.op == "placeholder"]
    assert " ".join(names) == ("p_p_my_key p_p_my_key_1 p_seq_li_n_weight p_seq_li_n_bias b_a_b x")
    assert rl.equal(program.module()(x), model(x))


def test_mutants_of_exported_programs() -> None:
    found = records(_file().getvalue())
    seed = found["archive/data.pkl"]
    rng = np.random.default_rng(3)
    for _ in range(600):
        bad = packed({**found, "archive/data.pkl": mutate(seed, rng, [seed])})
        try:
            rl.export.load(io.BytesIO(bad))
        except (CheckpointError, RuntimeError) as error:
            assert str(error).strip()


def test_mutants_of_expressions() -> None:
    x, y = sym.vars("x y", shape=(3,))
    seed = sym.dumps((x * y).sin().sum() + 3 * x[1:2].sum()).encode()
    rng = np.random.default_rng(4)
    for _ in range(600):
        text = mutate(seed, rng, [b'{"float": "nan"}', b"[9999999999]", b"null"]).decode("latin1")
        try:
            str(sym.loads(text))
        except ValueError as error:
            assert str(error).strip()


@pytest.mark.parametrize("deep", ["[" * 100_000, '{"tuple":' * 100_000])
def test_deep_text_is_no_expression(deep: str) -> None:
    node = '{"op":"constant","dtype":"weak","value":'
    for text in (deep, '{"format":"rushlight.sym","version":1,"nodes":[' + node + deep):
        with pytest.raises(ValueError, match="not a saved expression"):
            sym.loads(text)
