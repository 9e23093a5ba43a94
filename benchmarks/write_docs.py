"""Run every benchmark and write docs/benchmarks.md: python benchmarks/write_docs.py."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
BENCHMARKS = {
    "Detection and tracking": "detection.py",
    "Motion": "diffusion.py",
    "Throughput": "throughput.py",
}


def main() -> None:
    parts = [
        "# Benchmarks",
        "Written by `make benchmarks`; every table by the command above it. "
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}.",
    ]
    for title, script in BENCHMARKS.items():
        print(f"running {script} ...", flush=True)
        run = subprocess.run([sys.executable, ROOT / "benchmarks" / script], check=True, capture_output=True, text=True)
        parts += [f"## {title}", f"    python benchmarks/{script}", run.stdout.strip()]
    (ROOT / "docs" / "benchmarks.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
