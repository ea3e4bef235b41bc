"""Records torch's answers to the cases of nn_cases.py and nn_trouble.py.

Run with torch installed: python -m tests.parity.record_nn
"""

import json
import pathlib

from tests.parity.nn_answers import all_cases, answer

TARGET = pathlib.Path(__file__).parent / "data" / "nn.json"


def main():
    import torch
    import torch.nn.utils.parametrizations
    import torch.nn.utils.rnn

    recorded = {name: answer(kind, code, torch) for name, kind, code in all_cases()}
    lines = [f"{json.dumps(name)}: {json.dumps(found)}" for name, found in recorded.items()]
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(recorded)} cases, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
