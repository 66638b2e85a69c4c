"""Finds words that make a reader stop: `python -m tools.plain_english`, run by `make lint`.

CONTRIBUTING.md says what to write instead.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
WORDS: Final = re.compile(
    r"\b(mend(s|ed|ing)?|anew|beside|news|whoever|nobody|somebody|no more|of itself)\b"
    r"|\b(is|are|was|were|falls?) due\b|(?<!there )\b(is|are) no [a-z]|\bstands?\b"
    r'|"""(Who|What|That|Whoever) ',
    re.IGNORECASE,
)
CHECKED: Final = (".py", ".pyi", ".rs", ".md", ".toml", ".html", ".txt", ".yaml", "Makefile", "Dockerfile")
# Texts of others, figures as they were printed, what went over a wire, and this list.
EXCEPT: Final = re.compile(
    r"^(LICENSE|Cargo\.lock|benchmarks/results/|core_rs/fuzz/|tools/plain_english\.py|app/catalog/entries/)"
)
ACCOUNT: Final = re.compile(r"[`'\"]nobody[`'\"]")
"""The system's account of that name."""


def main() -> int:
    """Print each place, and return 1 if there is one."""
    listed = subprocess.run(
        ["git", "ls-files"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = 0
    for name in listed.stdout.splitlines():
        if EXCEPT.match(name) or not name.endswith(CHECKED):
            continue
        for number, line in enumerate((ROOT / name).read_text("utf-8").splitlines(), 1):
            match = WORDS.search(ACCOUNT.sub("", line))
            if match is not None:
                sys.stdout.write(f"{name}:{number}: {match[0]!r}: {line.strip()}\n")
                found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
