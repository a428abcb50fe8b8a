"""Writes Sources/Tokenization/CharacterTables.swift: which characters `tokenizers` takes for words, punctuation, scripts.

Its sets are of several versions of Unicode (words of 16, punctuation of 8, scripts of 12 or so), so each character is put
to `tokenizers` itself.

Run from the project's root: python3 Tests/Oracles/character_tables.py
"""

import pathlib

from tokenizers import pre_tokenizers

from code_points import CODE_POINTS, literal, ranges

OUTPUT = pathlib.Path(__file__).parent.parent.parent / "Sources/Tokenization/CharacterTables.swift"


def pieces(pre, text):
    return [piece for piece, _ in pre.pre_tokenize_str(text)]


def scripts():
    """Sets of characters between which `UnicodeScripts` does not cut."""
    pre = pre_tokenizers.UnicodeScripts()

    def same(a, b):
        return len(pieces(pre, a + b)) == 1

    sets = []
    last = 0
    for c in CODE_POINTS:
        # A blank, and a character of no script, go with everything.
        if same("a", chr(c)) and same("\u0430", chr(c)):
            continue
        text = chr(c)
        order = [last] + list(range(len(sets))) if sets else []
        last = next((i for i in order if same(chr(sets[i][0]), text)), len(sets))
        if last == len(sets):
            sets.append([])
        sets[last].append(c)
    return sets


def main():
    space, punctuation = pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation()
    # A word character joins the letter after it; white space vanishes.
    words = [c for c in CODE_POINTS if pieces(space, chr(c) + "a") == [chr(c) + "a"]]
    marks = [c for c in CODE_POINTS if len(pieces(punctuation, chr(c) + "a")) == 2]
    found = scripts()
    OUTPUT.write_text(f'''/// Sets of characters as `tokenizers` knows them, in hexadecimal. Written by Tests/Oracles/character_tables.py, which
/// says how; not edited by hand.
enum CharacterTables {{
  /// `\\w`: letters, marks, decimal digits, connectors, joiners.
  static let words = """
{literal(ranges(words))}
    """

  /// ASCII punctuation and symbols, and the general category Punctuation.
  static let punctuation = """
{literal(ranges(marks))}
    """

  /// The characters of each script; Hiragana and Katakana belong to Han. Those in no list go with any script.
  static let scripts = [
''' + "".join(f'''    """
{literal(ranges(characters))}
    """,
''' for characters in found) + '''  ]
}
''', encoding="utf-8")


if __name__ == "__main__":
    main()
