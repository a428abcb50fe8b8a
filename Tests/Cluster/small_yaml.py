"""Reads the YAML that manifests are written in: block mappings and lists, plain, quoted and block scalars, [] and {}.

No anchors, tags, multiple documents or flow collections with contents: those raise ValueError, never a guess.
"""

import re

KEY = re.compile(r"""(?P<key>"[^"]*"|'[^']*'|[^\s#'"\[\]{}&*!|>%@`-][^#]*?|-[^\s#:]+):(?=\s|$)\s*(?P<rest>.*)$""")
WORDS = {"true": True, "false": False, "null": None, "~": None, "": None, "[]": [], "{}": {}}


def parse(text):
    lines = [line for line in text.splitlines() if line.strip() != "---"]
    reader = Reader(lines)
    value = reader.node(0)
    if reader.peek() is not None:
        raise ValueError(f"line {reader.at + 1}: not expected here: {lines[reader.at]}")
    return value


class Reader:
    def __init__(self, lines):
        self.lines = lines
        self.at = 0

    def peek(self):
        """Indentation and text of the next line that says something; None at the end."""
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.strip() and not line.lstrip().startswith("#"):
                return len(line) - len(line.lstrip()), line.strip()
            self.at += 1
        return None

    def node(self, least):
        """The mapping, list or scalar that begins at the next line, if that is indented by `least` or more."""
        ahead = self.peek()
        if ahead is None or ahead[0] < least:
            return None
        indent, text = ahead
        if text == "-" or text.startswith("- "):
            return self.sequence(indent)
        if KEY.match(text):
            return self.mapping(indent)
        self.at += 1
        return self.scalar(text, indent)

    def sequence(self, indent):
        items = []
        while (ahead := self.peek()) and ahead[0] == indent and (ahead[1] == "-" or ahead[1].startswith("- ")):
            line = self.lines[self.at]
            inner = line[indent + 1 :].strip()
            if inner.startswith(("|", ">")):
                self.at += 1
                items.append(self.block(inner, indent + 1))
            elif inner:
                # What stands behind the dash is read as if it stood alone.
                self.lines[self.at] = line[:indent] + " " + line[indent + 1 :]
                items.append(self.node(indent + 1))
            else:
                self.at += 1
                items.append(self.node(indent + 1))
        return items

    def mapping(self, indent):
        result = {}
        while (ahead := self.peek()) and ahead[0] == indent and (match := KEY.match(ahead[1])):
            key = match["key"].strip("\"'")
            if key in result:
                raise ValueError(f"line {self.at + 1}: {key} a second time")
            rest = without_comment(match["rest"])
            self.at += 1
            if rest.startswith(("|", ">")):
                result[key] = self.block(rest, indent + 1)
            elif rest:
                result[key] = self.scalar(rest, indent + 1)
            else:
                ahead = self.peek()
                is_list = ahead and ahead[0] == indent and (ahead[1] == "-" or ahead[1].startswith("- "))
                result[key] = self.node(indent if is_list else indent + 1)
        return result

    def block(self, header, least):
        """A literal or folded scalar: lines that are indented by `least` or more."""
        taken = []
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.strip() and len(line) - len(line.lstrip()) < least:
                break
            taken.append(line)
            self.at += 1
        depth = min((len(line) - len(line.lstrip()) for line in taken if line.strip()), default=0)
        text = ("\n" if header[0] == "|" else " ").join(line[depth:] for line in taken).rstrip()
        return text if "-" in header else text + "\n"

    def scalar(self, text, least):
        """A scalar, which lines that are indented further carry on."""
        quote = text[0] if text[0] in "\"'" else None
        while not quote or not (len(text) > 1 and text.endswith(quote)):
            ahead = self.peek()
            if ahead is None or ahead[0] < least or (not quote and KEY.match(ahead[1]) and not text):
                break
            text += " " + ahead[1]
            self.at += 1
        return value_of(text if quote else without_comment(text))


def without_comment(text):
    return text if text[:1] in ("'", '"') else re.split(r"(?:^|\s)#", text)[0].rstrip()


def value_of(text):
    if text[:1] in ("'", '"'):
        return text[1:-1]
    if text in WORDS:
        return WORDS[text]
    if text[:1] in "&*!{[":
        raise ValueError(f"not read: {text}")
    if re.fullmatch(r"[-+]?\d+", text):
        return int(text)
    if re.fullmatch(r"[-+]?\d+\.\d*(e[-+]?\d+)?", text):
        return float(text)
    return text
