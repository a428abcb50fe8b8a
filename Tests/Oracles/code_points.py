"""Sets of code points, as the Swift tables that are written by scripts here spell them."""

import textwrap

# Surrogates are no characters.
CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def ranges(values):
    """Words such as `41-5A` and `5F`, in hexadecimal and in order."""
    found = []
    for value in sorted(values):
        if found and found[-1][1] == value - 1:
            found[-1][1] = value
        else:
            found.append([value, value])
    return ["{:X}".format(a) if a == b else "{:X}-{:X}".format(a, b) for a, b in found]


def literal(words):
    """The lines of a multi-line string literal, in a member of a type."""
    return "\n".join("    " + line for line in textwrap.wrap(" ".join(words), 114, break_on_hyphens=False))
