"""Record torch's loaders, samplers and batches on the cases of `data_cases`.

Run from the repository root, where torch is: `python -m tests.parity.record_data`.
"""

from __future__ import annotations

import torch

from tests.parity import data_cases
from tests.parity.record_optim import write


def main() -> None:
    convert = torch.utils.data.default_convert
    write(
        "data.json",
        {
            "loaders": [
                {"case": case, **data_cases.load(torch, case)} for case in data_cases.LOADERS
            ],
            "samplers": [
                {"case": case, **data_cases.sample(torch, case)} for case in data_cases.SAMPLERS
            ],
            "splits": [
                {"case": case, **data_cases.split(torch, case)} for case in data_cases.SPLITS
            ],
            "batches": [
                {"name": name, **data_cases.collated(torch, name)}
                for name in data_cases.batches(torch)
            ],
            "conversions": [
                {"name": name, "value": data_cases.describe(torch, convert(value))}
                for name, value in data_cases.conversions(torch).items()
            ],
            "mistakes": [
                {"name": name, "error": error} for name, error in data_cases.mistakes(torch).items()
            ],
            "numpy_seeds": [
                {"base": base, "worker": worker, "words": _numpy_words(base, worker)}
                for base in (0, 12345, 2**40 + 17, 2**63 - 1)
                for worker in (0, 1, 5)
            ],
        },
    )


def _numpy_words(base: int, worker: int) -> list[int]:
    return torch.utils.data._utils.worker._generate_state(base, worker)


if __name__ == "__main__":
    main()
