"""Records torch's data types under autocast.

Run with torch installed: python -m tests.parity.record_amp
"""

import json
import pathlib

from tests.parity.amp_cases import answers

TARGET = pathlib.Path(__file__).parent / "data" / "amp.json"

if __name__ == "__main__":
    import torch

    TARGET.write_text(json.dumps(answers(torch), separators=(",", ":")) + "\n")
