"""Record what torch prints for every program: `python tests/parity/record_programs.py`."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from program_runner import programs, run

TARGET = Path(__file__).parent / "data" / "programs.json"

if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    torch.sparse.check_sparse_tensor_invariants.disable()
    with warnings.catch_warnings(action="ignore"):  # what torch says once in a process
        torch.ones(1, 1).to_sparse_csr()
        torch.ones(1, requires_grad=True).sum().backward(create_graph=True)
        torch.zeros(1, dtype=torch.complex32).half()
        torch.stft(torch.ones(9), 4, return_complex=True)
        torch.cross(torch.eye(3), torch.eye(3))
        torch.where(torch.ones(1, dtype=torch.uint8), 1.0, 2.0)
    answers = {name: run(source, torch) for name, source in programs().items()}
    TARGET.write_text(json.dumps(answers, indent=0, sort_keys=True) + "\n")
    print(f"{len(answers)} programs, {TARGET.stat().st_size} bytes")
