"""One harness under atheris: `python -m tests.fuzz.run NAME [options of libFuzzer] [FILE …]`. Files are replayed."""

from __future__ import annotations

import sys
import time

import atheris

OURS = "kafka_sentinel"
PURE = "yaml"  # the one library in the way that is Python and reads what others wrote
MAX_WORK = 10.0  # seconds of the processor for one input; more is a finding ("unbounded work")
STUCK = 300  # seconds by the clock, after which it is one as well; the machine may be busy with something else


def main() -> None:
    with atheris.instrument_imports(include=[OURS, PURE]):
        from tests.fuzz.harness import load  # noqa: PLC0415 - instrumented as it is imported

        harness = load(sys.argv[1])

    def check(data: bytes) -> None:
        began = time.process_time()
        harness.check(data)
        spent = time.process_time() - began
        assert spent < MAX_WORK, f"one input took {spent:.1f} s of the processor"

    harness.check(b"")  # what is made once is made here, and is no input's work
    options = [f"-max_len={harness.longest}", f"-timeout={STUCK}", "-rss_limit_mb=2048", *sys.argv[2:]]
    atheris.Setup([sys.argv[0], *options], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
