"""A process is killed in the middle of training: all start again from the last checkpoint."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from tests.cli.tools import rushlight

PROGRAM = textwrap.dedent("""
    import os, signal, sys
    import torch
    import torch.distributed as dist

    folder, deadly = sys.argv[1], int(sys.argv[2])
    dist.init_process_group()
    torch.manual_seed(dist.get_rank())
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.2), torch.nn.Linear(8, 1))
    model = torch.nn.parallel.DistributedDataParallel(net)
    opt = torch.optim.Adam(model.parameters(), lr=0.01)
    state = torch.checkpoint.latest(folder).restore(model=net, opt=opt)
    if dist.get_rank() == 0:
        print("from", state.step)
    for step in range(state.step + 1, 31):
        opt.zero_grad()
        model(torch.rand(5, 4)).square().mean().backward()
        opt.step()
        torch.checkpoint.every(folder, step, steps=10, model=net, opt=opt)
        first = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
        if step == deadly and first and dist.get_rank() == 1:
            os.kill(os.getpid(), signal.SIGKILL)
    if dist.get_rank() == 0:
        print("weights", *[f"{p.double().sum().item():.12f}" for p in net.parameters()])
""")


def test_a_killed_process_costs_the_steps_since_the_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    launch = ("launch", "-n", "2", "--max-restarts", "1", "program.py")
    smooth = rushlight(*launch, "smooth", "0", cwd=tmp_path)
    killed = rushlight(*launch, "killed", "25", cwd=tmp_path)
    assert smooth.returncode == killed.returncode == 0, killed.stderr
    weights = [re.findall("weights.*", done.stdout) for done in (smooth, killed)]
    assert weights[0] == weights[1] and len(weights[0]) == 1
    assert re.findall("from .*", killed.stdout) == ["from 0", "from 20"]
    assert re.findall("from .*", smooth.stdout) == ["from 0"]
    assert "SIGKILL" in killed.stderr
