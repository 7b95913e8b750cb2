"""Makes the picture of the page that the README shows: `python -m tests.page.picture FILE`.

The page is real, its figures are those of the tests' sample (tests/web/sample.py).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.page.chromium import CHROMIUM, Chromium, scene

SIZE = 1180, 1140  # px; larger, and the file grows beyond what a README should weigh
MAX_BYTES = 200_000


def main(file: Path) -> int:
    """Write the picture. Returns the exit code."""
    if CHROMIUM is None:
        print("there is no Chromium on the PATH, and the picture is taken by one", file=sys.stderr)  # noqa: T201 - said to a person
        return 2
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Chromium(Path(folder))
        with scene(browser, "calm", SIZE) as tab:
            tab.picture(file, whole=False)
        browser.close()
    size = file.stat().st_size
    print(f"{file}: {size:,} bytes")  # noqa: T201 - said to a person
    return 0 if size < MAX_BYTES else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
