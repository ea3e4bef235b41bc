"""What the README shows does what it says, on both backends and more than once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import rushlight as torch

README = Path(__file__).parents[1] / "README.md"
F = torch.nn.functional


def test_the_readme_s_code_runs_and_prints_what_it_says(capsys: Any) -> None:
    tour, mistake = re.findall(
        r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
    )
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(tour, str(README), "exec"), names)
    printed = capsys.readouterr().out
    gradient, _, _, formula = re.findall(r"^print\(.*\)  # (.*)", tour, re.MULTILINE)
    assert printed.startswith(gradient + "\n") and printed.endswith(formula + "\n")
    assert "step: 1 program(s), backend" in printed and "4 leaves get a gradient" in printed
    assert names["losses"][-1] < names["losses"][0]
    with pytest.raises(RuntimeError) as caught:
        exec(compile(mistake, str(README), "exec"), names)
    told = [f"{caught.type.__name__}: {caught.value}", *caught.value.__notes__]
    assert told == [line[2:] for line in mistake.splitlines() if line.startswith("# ")]


@pytest.mark.parametrize("backend", ["numpy", "llvm"])
def test_results_of_compiled_steps_print_as_eager_ones(backend: str) -> None:
    weight = torch.randn(4, 3, requires_grad=True)

    def step(x: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
        z = x @ weight
        loss = F.cross_entropy(z, y) + z.max(1).values.sum()
        loss.backward()
        return [z, z.max(1).values, loss, F.cross_entropy(z.detach(), y)]

    compiled = torch.compile(step, backend=backend)
    batch = torch.randn(8, 4), torch.randint(0, 3, (8,))
    for _ in range(4):
        got, expected = compiled(*batch), step(*batch)
        names = [type(x.grad_fn).__name__ for x in got]
        assert names == [type(x.grad_fn).__name__ for x in expected]
        assert [repr(x) for x in got] == [repr(x) for x in expected]
    assert compiled.programs
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        got[2].backward()
