"""torch.export: programs do what their models do, at other sizes, out of files, in training."""

from __future__ import annotations

import io
from typing import Any

import pytest

import rushlight as rl
from rushlight import nn
from rushlight.export import Dim, dims, export, load, save

F = nn.functional


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.out = nn.Linear(64, 3)
        self.register_buffer("scale", rl.tensor(2.0))

    def forward(self, x: Any) -> Any:
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
        return {"y": self.out(x.flatten(1)) * self.scale, "z": x.mean(1)}


class Language(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(11, 8), nn.Embedding(9, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0)
        self.body, self.head = nn.TransformerEncoder(layer, 2), nn.Linear(8, 11)

    def forward(self, tokens: Any) -> Any:
        batch, length = tokens.shape
        x = self.words(tokens) + self.places(rl.arange(length))
        mask = rl.triu(rl.full((length, length), float("-inf")), 1)
        return self.head(self.body(x, mask=mask, is_causal=False)).view(batch * length, -1)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.LSTM(3, 5, 2, batch_first=True), nn.Linear(5, 2)

    def forward(self, x: Any) -> Any:
        y, (h, _) = self.rnn(x)
        return self.head(y[:, -1]) + h[0].sum()


def close(one: Any, other: Any) -> bool:
    return one.shape == other.shape and rl.allclose(one, other, atol=1e-6)


def test_a_program_reads_as_torchs() -> None:
    program = export(Small().eval(), (rl.randn(2, 1, 8, 8),))
    text = str(program)
    for line in (
        'def forward(self, p_conv_weight: "f32[4, 1, 3, 3]", p_conv_bias: "f32[4]",',
        'max_pool2d: "f32[2, 4, 4, 4]" = torch.ops.aten.max_pool2d.default(relu, [2, 2]);'
        "  relu = None",
        "b_norm_running_mean: BUFFER target='norm.running_mean' persistent=True",
        "Range constraints: {}",
        f"# File: {__file__}:",
    ):
        assert line in text
    signature = program.graph_signature
    assert signature.user_inputs == ("x",) and signature.user_outputs == ("mul", "mean")
    assert signature.inputs_to_parameters["p_out_bias"] == "out.bias"
    assert [name for name, _ in program.named_parameters()] == list(signature.parameters)
    assert len(list(program.parameters())) == 6 and len(list(program.buffers())) == 4


def test_results_and_their_structure() -> None:
    model, x = Small().eval(), rl.randn(2, 1, 8, 8)
    module = export(model, (x,)).module()
    other = rl.randn(2, 1, 8, 8)
    wanted, found = model(other), module(other)
    assert list(found) == ["y", "z"] and all(close(wanted[k], found[k]) for k in wanted)
    assert set(module.state_dict()) == set(model.state_dict())


@pytest.mark.parametrize("given, text", [
    ((rl.ones(3, 1, 8, 8),), r"Guard failed: x.size\(\)\[0\] == 2"),
    ((rl.ones(2, 1, 8, 9),), r"Guard failed: x.size\(\)\[3\] == 8"),
])  # fmt: skip
def test_other_sizes_are_refused(given: Any, text: str) -> None:
    module = export(Small().eval(), (rl.randn(2, 1, 8, 8),)).module()
    with pytest.raises(AssertionError, match=text):
        module(*given)


def test_nodes_keep_no_numbers() -> None:
    program = export(Small().eval(), (rl.randn(2, 1, 8, 8),))
    kept = [node.meta["val"] for node in program.graph.nodes if "val" in node.meta]
    assert len(kept) > 15 and all(x.is_meta for x in kept)
    assert next(x for x in kept if x.ndim == 4).shape == (4, 1, 3, 3)


def test_other_arguments_and_direct_calls_are_refused() -> None:
    program = export(nn.Linear(3, 2), (rl.ones(4, 3),))
    with pytest.raises(ValueError, match="Trying to flatten user inputs with exported input tree"):
        program.module()(rl.ones(4, 3), 2)
    with pytest.raises(RuntimeError, match="Unable to call ExportedProgram directly"):
        program(rl.ones(4, 3))


def test_a_dynamic_batch() -> None:
    model = Small().eval()
    batch = Dim("batch", min=2, max=64)
    program = export(model, (rl.randn(4, 1, 8, 8),), dynamic_shapes={"x": {0: batch}})
    module = program.module()
    for size in (1, 2, 5, 64):
        x = rl.randn(size, 1, 8, 8)
        assert close(model(x)["y"], module(x)["y"])
    with pytest.raises(AssertionError, match=r"Guard failed: x.size\(\)\[0\] <= 64"):
        module(rl.randn(65, 1, 8, 8))
    assert 'x: "f32[s0, 1, 8, 8]"' in str(program) and "s0: VR[2, 64]" in str(program)


def test_two_dynamic_dimensions_of_a_transformer() -> None:
    model = Language().eval()
    shapes = ({0: Dim.DYNAMIC, 1: Dim("length", max=9)},)
    program = export(model, (rl.randint(0, 11, (2, 4)),), dynamic_shapes=shapes)
    for size in ((3, 7), (5, 2), (2, 9)):
        tokens = rl.randint(0, 11, size)
        assert close(model(tokens), program.module()(tokens))
    assert "sym_size_int_1 = torch.ops.aten.sym_size.int(tokens, " in program.graph_module.code


def test_recurrent_layers() -> None:
    model = Recurrent().eval()
    program = export(model, (rl.randn(2, 4, 3),), dynamic_shapes=({0: Dim.AUTO, 1: Dim.AUTO},))
    x = rl.randn(5, 7, 3)
    assert close(model(x), program.module()(x))
    assert "torch.ops.aten.lstm.input(x, [zeros, zeros_1]" in program.graph_module.code
    assert "forward" not in vars(model.rnn)


def test_training_goes_through_a_program() -> None:
    model = Small().train()
    x = rl.randn(4, 1, 8, 8)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    module = export(model, (x,)).module()
    assert all(rl.equal(before[k], v) for k, v in model.state_dict().items())  # left as it was
    module(x)["y"].sum().backward()
    model_copy = Small().train()
    model_copy.load_state_dict(before)
    model_copy(x)["y"].sum().backward()
    assert close(dict(module.named_parameters())["conv.weight"].grad, model_copy.conv.weight.grad)
    assert close(module.norm.running_mean, model_copy.norm.running_mean)
    assert module.norm.num_batches_tracked == 1


def test_files_hold_data_alone() -> None:
    model = Language().eval()
    program = export(model, (rl.randint(0, 11, (2, 4)),), dynamic_shapes=({0: Dim.AUTO},))
    file = io.BytesIO()
    save(program, file, extra_files={"note": "hello"})
    file.seek(0)
    extra = {"note": ""}
    again = load(file, extra_files=extra)
    assert str(again) == str(program) and extra == {"note": "hello"}
    tokens = rl.randint(0, 11, (6, 4))
    assert close(model(tokens), again.module()(tokens))
    assert all(x.requires_grad for x in again.parameters())


@pytest.mark.parametrize("name", ["aten.system.default", "os.system.x", "aten.load.default"])
def test_a_file_cannot_name_other_functions(name: str) -> None:
    program, file = export(nn.ReLU(), (rl.ones(2),)), io.BytesIO()
    save(program, file)
    file.seek(0)
    data = rl.load(file)
    data["nodes"][1]["target"] = name
    changed = io.BytesIO()
    rl.save(data, changed)
    changed.seek(0)
    with pytest.raises(RuntimeError, match="which is no operator here"):
        load(changed)
    wrong = io.BytesIO()
    rl.save({"a": 1}, wrong)
    wrong.seek(0)
    with pytest.raises(RuntimeError, match="holds no exported program"):
        load(wrong)


class Asks(nn.Module):
    def __init__(self, how: Any) -> None:
        super().__init__()
        self.how = how

    def forward(self, x: Any) -> Any:
        return self.how(x)


def branches(x: Any) -> Any:
    if x.sum() > 0:
        return x
    return x * 2


@pytest.mark.parametrize("how, strict, kind, text", [
    (branches, False, "GuardOnDataDependentSymNode", "if x.sum() > 0:"),
    (branches, True, "Unsupported", "Data-dependent branching"),
    (lambda x: x * x.sum().item(), False, "Unsupported", "item needs the value of a tensor"),
    (lambda x: rl.from_numpy(x.numpy()), False, "Unsupported", "numpy needs the value"),
    (lambda x: rl.fft.fft(x), False, "Unsupported", "rl.fft.fft(x)"),
    (lambda x: object(), False, "UserError", "It looks like one of the outputs with type"),
])  # fmt: skip
def test_what_cannot_be_exported(how: Any, strict: bool, kind: str, text: str) -> None:
    with pytest.raises(Exception) as caught:  # the class is compared below
        export(Asks(how), (rl.ones(3),), strict=strict)
    notes = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert type(caught.value).__name__ == kind and text in notes
    assert isinstance(caught.value, RuntimeError)


class Sum(nn.Module):
    def forward(self, x: Any, y: Any) -> Any:
        return x + y


class Halved(nn.Module):
    def forward(self, x: Any) -> Any:
        return x[: x.shape[0] // 2]


@pytest.mark.parametrize("model, args, shapes, text", [
    (Sum(), (rl.ones(3), rl.ones(3)), ({0: Dim("a")}, {0: Dim("c")}), "Constraints violated"),
    (Sum(), (rl.ones(3), rl.ones(3)), {"x": None}, "its top-level keys must be the arg names"),
    (Sum(), (rl.ones(3), rl.ones(3)), ({0: "a"}, None), "Unexpected dimension mapped to index 0"),
    (Halved(), (rl.ones(4),), ({0: Dim("a")},), "at sizes"),
])  # fmt: skip
def test_dynamic_shapes_that_do_not_hold(model: Any, args: Any, shapes: Any, text: str) -> None:
    with pytest.raises(RuntimeError, match=text) as caught:
        export(model, args, dynamic_shapes=shapes)
    assert type(caught.value).__name__ == "UserError"


def test_arguments_of_export() -> None:
    with pytest.raises(ValueError, match="Expected `mod` to be an instance of"):
        export(lambda x: x, (rl.ones(2),))
    with pytest.raises(RuntimeError, match="Expecting `args` to be a tuple of example positional"):
        export(nn.ReLU(), rl.ones(2))
    with pytest.raises(TypeError, match="missing a required argument: 'y'"):
        export(Sum(), (rl.ones(2),))
    assert repr(dims("a", "b", min=1, max=3)) == "(Dim('a', min=1, max=3), Dim('b', min=1, max=3))"


def test_plain_values_and_nested_arguments() -> None:
    class Mixed(nn.Module):
        def forward(self, x: Any, *, k: int = 2, d: Any = None) -> Any:
            return x * k, d["a"][0] + 1, k

    program = export(Mixed(), (rl.ones(2),), {"k": 3, "d": {"a": [rl.ones(2)]}})
    module = program.module()
    found = module(rl.ones(2), d={"a": [rl.zeros(2)]}, k=3)
    assert found[0].tolist() == [3, 3] and found[1].tolist() == [1, 1] and found[2] == 3
    with pytest.raises(AssertionError, match="Guard failed: k == 3"):
        module(rl.ones(2), k=4, d={"a": [rl.zeros(2)]})
    with pytest.raises(AssertionError, match=r"Guard failed: d\['a'\]\[0\].size\(\)\[0\] == 2"):
        module(rl.ones(2), k=3, d={"a": [rl.zeros(3)]})


def test_random_numbers_of_the_program_are_drawn_at_each_call() -> None:
    module = export(nn.Dropout(0.5).train(), (rl.ones(100),)).module()
    rl.manual_seed(1)
    wanted = F.dropout(rl.ones(100), 0.5, True)
    rl.manual_seed(1)
    assert rl.equal(module(rl.ones(100)), wanted)
