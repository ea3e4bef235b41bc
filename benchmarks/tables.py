"""Reading a large CSV file in blocks: `python benchmarks/tables.py [MB]`.

Writes a file of numbers (and words, unless --numbers), streams it twice, prints the speeds and
the most memory that it held at once, and deletes the file.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from rushlight.tabular import stream_csv

ROWS = 20_000


def lines(words: bool) -> str:
    """Some rows."""
    word = "name {}," if words else ""
    return "".join(
        f"{k},{k / 7:.6f},{k % 97},{word.format(k % 1000)}{(k * 37) % 1009 / 3:.4f}\n"
        for k in range(ROWS)
    )


def write(path: Path, megabytes: int, words: bool) -> int:
    """The file, about so large; how many rows it has."""
    some = lines(words)
    times = max(1, megabytes * 1_000_000 // len(some))
    with path.open("w") as file:
        file.write("id,value,group,name,price\n" if words else "id,value,group,price\n")
        for _ in range(times):
            file.write(some)
    return times * ROWS


def main() -> None:
    """Write, stream, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("megabytes", type=int, nargs="?", default=100)
    parser.add_argument("--numbers", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        wanted = write(path, asked.megabytes, not asked.numbers)
        size, stream = path.stat().st_size, stream_csv(path, 100_000)
        print(f"{size / 1e6:.0f} MB, {wanted:,} rows", flush=True)
        for loop in ("first", "second"):
            began = time.process_time()
            rows = sum(map(len, stream))
            spent = time.process_time() - began
            if rows != wanted:
                raise SystemExit(f"{rows} rows were read, {wanted} were written")
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"{loop} loop: {size / 1e6 / spent:.1f} MB/s, peak {peak:.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
