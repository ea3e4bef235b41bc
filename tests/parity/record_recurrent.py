"""Records torch's answers to recurrent_cases.py: `python -m tests.parity.record_recurrent`."""

import json
import pathlib

from tests.parity.recurrent_cases import all_cases, answer

TARGET = pathlib.Path(__file__).parent / "data" / "recurrent.json"


def main():
    import torch

    def short(value, digits):
        if isinstance(value, list):
            return [short(one, digits) for one in value]
        return float(f"{value:.{digits}g}") if isinstance(value, float) else value

    lines = []
    for case in all_cases():
        found = short(answer(torch, case), 11 if case.endswith("double") else 8)
        lines.append(f"{json.dumps(case)}: {json.dumps(found, separators=(',', ':'))}")
    TARGET.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(lines)} cases, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
