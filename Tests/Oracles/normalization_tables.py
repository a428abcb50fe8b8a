"""Writes Sources/Tokenization/NormalizationTables.swift: Unicode normalisation as `tokenizers` knows it.

Its tables are those of Unicode 9, older than any system's, so that ids would differ for newer characters if they were
normalised by a newer standard. Every character is put to `tokenizers` itself; only the numbers of combining classes come
from Python's `unicodedata`, for those characters that `tokenizers` moves.

Run from the project's root: python3 Tests/Oracles/normalization_tables.py
"""

import pathlib
import textwrap
import unicodedata

from tokenizers import normalizers

import code_points
from code_points import literal, ranges

OUTPUT = pathlib.Path(__file__).parent.parent.parent / "Sources/Tokenization/NormalizationTables.swift"
HANGUL = range(0xAC00, 0xD7A4)
CODE_POINTS = [c for c in code_points.CODE_POINTS if c not in HANGUL]


def mapping(normalizer):
    pairs = ((c, normalizer.normalize_str(chr(c))) for c in CODE_POINTS)
    return {c: [ord(x) for x in text] for c, text in pairs if text != chr(c)}


def entries(table):
    """`C0:41 300` for one character, `FF01-FF5E:21` for characters in a row with single ones in a row."""
    found = []
    for c, target in sorted(table.items()):
        if found and len(target) == 1 == len(found[-1][2]):
            first, last, start = found[-1]
            if c == last + 1 and target[0] == start[0] + c - first:
                found[-1] = (first, c, start)
                continue
        found.append((c, c, target))
    for first, last, target in found:
        name = f"{first:X}" if first == last else f"{first:X}-{last:X}"
        yield name + ":" + "+".join(f"{x:X}" for x in target)


def main():
    nfd, nfc = normalizers.NFD(), normalizers.NFC()
    canonical = mapping(nfd)
    compatible = {c: t for c, t in mapping(normalizers.NFKD()).items() if canonical.get(c) != t}
    excluded = [c for c, t in canonical.items() if len(t) > 1 and nfc.normalize_str("".join(map(chr, t))) != chr(c)]
    classes = {}
    for c in CODE_POINTS:
        value = unicodedata.combining(chr(c))
        if not value or c in canonical:
            continue
        other = "\u0334" if value > 1 else "\u0301"
        pair = chr(c) + other if value > 1 else other + chr(c)
        if nfd.normalize_str("a" + pair) == "a" + pair[::-1]:
            classes.setdefault(value, []).append(c)
    accents = normalizers.StripAccents()
    marks = [c for c in CODE_POINTS if accents.normalize_str(chr(c)) == ""]
    OUTPUT.write_text(f'''/// Unicode normalisation as `tokenizers` knows it (Unicode 9), in hexadecimal. Written by
/// Tests/Oracles/normalization_tables.py, which says how; not edited by hand. Hangul syllables follow a formula.
enum NormalizationTables {{
  /// Full canonical decompositions; `first-last:target` when characters in a row have single ones in a row.
  static let canonical = """
{literal(entries(canonical))}
    """

  /// Full compatibility decompositions where they differ from the canonical ones.
  static let compatible = """
{literal(entries(compatible))}
    """

  /// Characters that nothing composes to, although they decompose to more than one.
  static let excluded = """
{literal(ranges(excluded))}
    """

  /// Canonical combining classes other than 0, in decimal, and their characters.
  static let combiningClasses: [(UInt8, String)] = [
''' + "".join(f'''    (
      {value},
      """
{textwrap.indent(literal(ranges(found)), "  ")}
      """
    ),
''' for value, found in sorted(classes.items())) + f'''  ]

  /// The general category Mark.
  static let marks = """
{literal(ranges(marks))}
    """
}}
''', encoding="utf-8")


if __name__ == "__main__":
    main()
