"""Text that others wrote, made fit to be shown: on one line, bounded, and without what steers a terminal."""

from __future__ import annotations

import re

# Control characters, ends of lines, marks that turn the direction of writing or are not seen, halves of characters.
STEERING = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def one_line(text: str, most: int | None = None) -> str:
    """Return `text` with what steers a terminal as escapes, as in a literal; `most`: characters of it that are kept."""
    if most is not None and len(text) > most:
        return f"{one_line(text[:most])}… ({len(text)} characters)"
    return STEERING.sub(lambda found: ascii(found[0])[1:-1], text)
