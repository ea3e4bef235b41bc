"""torch.compiler: what traced code may ask and tell."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight import _dynamo, compiler


def test_code_knows_whether_it_is_traced() -> None:
    compiled = torch.compile(lambda x: x * 2 if compiler.is_compiling() else x)
    assert compiled(torch.ones(1)).item() == 2
    assert not compiler.is_compiling() and not _dynamo.is_compiling()


def test_a_disabled_function_runs_eagerly_in_a_compiled_one() -> None:
    @compiler.disable
    def inner(x):
        return x if compiler.is_compiling() else x + 1

    compiled = torch.compile(lambda x: inner(x * 2) * 3)
    with pytest.warns(UserWarning, match="is not to be compiled"):
        assert compiled(torch.ones(1)).item() == 9
    assert compiled(torch.ones(1)).item() == 9


def test_settings_of_torchs_compiler_are_kept_patched_and_known() -> None:
    from rushlight._inductor import config as inductor

    config = _dynamo.config
    config.suppress_errors = True
    assert config.suppress_errors
    config.suppress_errors = False
    with config.patch(verbose=True), inductor.patch({"triton.cudagraphs": True}):
        assert config.verbose and inductor.triton.cudagraphs
    assert not config.verbose and not inductor.triton.cudagraphs
    with pytest.raises(AttributeError, match=r"^torch\._dynamo\.config\.nothing does not exist$"):
        config.nothing = 1
    with pytest.raises(AttributeError, match=r"^torch\._inductor\.config\.triton\.nothing does"):
        inductor.triton.nothing = 1


@_dynamo.config.patch("recompile_limit", 2)
def test_the_limit_of_programs_is_that_of_the_settings() -> None:
    assert _dynamo.config.cache_size_limit == 2
    compiled = torch.compile(lambda x: x + 1 if compiler.is_compiling() else x - 1)
    with pytest.warns(UserWarning, match="2"):
        found = [compiled(torch.zeros(size)).sum().item() for size in (1, 2, 3, 4)]
    assert found == [1, 2, -3, -4]


def test_a_break_keeps_the_function_out_of_programs() -> None:
    def broken(x):
        _dynamo.graph_break()
        return x + 1

    with pytest.warns(UserWarning, match="graph_break"):
        assert torch.compile(broken)(torch.zeros(1)).item() == 1
    with pytest.raises(RuntimeError, match="graph_break"):
        torch.compile(broken, fullgraph=True)(torch.zeros(1))
    assert broken(torch.zeros(1)).item() == 1


def test_older_spellings() -> None:
    told = _dynamo.optimize("inductor", nopython=True)(
        lambda x: x + 1 if compiler.is_compiling() else x
    )
    assert told(torch.zeros(1)).item() == 1
    assert "inductor" in _dynamo.list_backends()
    x = torch.zeros(2)
    assert [hint(x, 0) for hint in (_dynamo.mark_dynamic, _dynamo.mark_static)] == [None, None]


def test_a_model_that_is_exported_knows_it() -> None:
    class Told(torch.nn.Module):
        def forward(self, x):
            seen.append((compiler.is_exporting(), compiler.is_compiling()))
            return x + 1

    seen: list[tuple[bool, bool]] = []
    torch.export.export(Told(), (torch.ones(2),))
    assert set(seen) >= {(True, True)} and not compiler.is_exporting()


@pytest.mark.parametrize("backend", [None, "eager", lambda graph, inputs: graph.forward])
def test_the_context_of_a_compiled_module_compiles_its_other_steps(backend) -> None:
    """Trainers compile `training_step` and its kin with the module's own settings."""

    class Net(torch.nn.Module):
        def forward(self, x):
            return x * 2

        def step(self, x):
            return self.forward(x).sum()

    net = Net()
    around = torch.compile(net, **({} if backend is None else {"backend": backend}))
    step = around.dynamo_ctx(net.step)
    assert type(step).__name__ in ("Compiled", "Segmented") and step is not net.step
    assert type(step).__mro__[-2] is type(around.__dict__["_call"]).__mro__[-2]
    assert step(torch.ones(3)) == 6 and step.backend == around.__dict__["_call"].backend
    net.step = step
    assert net.step(torch.ones(2)) == 4
