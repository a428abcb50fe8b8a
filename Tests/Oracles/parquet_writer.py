"""Parquet files in forms that pyarrow reads but does not write: older lists and maps, bare repeated fields, BIT_PACKED
levels, second-version pages that are left uncompressed, gzip of several members, and whatever a test wants to be wrong.

A schema is a tree of Node; a record is what lies in it as written: a list for a repeated field, None for an optional one.
"""

import gzip
import struct
import zlib

BOOLEAN, INT32, INT64, INT96, FLOAT, DOUBLE, BYTE_ARRAY, FIXED = range(8)
REQUIRED, OPTIONAL, REPEATED = range(3)
UTF8, MAP, MAP_KEY_VALUE, LIST = range(4)


class Node:
    def __init__(self, name, repetition, type=None, children=(), converted=None):
        self.name, self.repetition, self.type = name, repetition, type
        self.children, self.converted = list(children), converted


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def zigzag(value):
    return varint((value << 1) ^ (value >> 63))


class Wrapped:
    """A Thrift struct: {field: value} with int (i32), ("i64", int), bool, str or bytes, list or Wrapped."""

    def __init__(self, fields):
        self.fields = {field: value for field, value in fields.items() if value is not None}

    @staticmethod
    def kind(value):
        if isinstance(value, bool):
            return 1 if value else 2
        if isinstance(value, int):
            return 5
        if isinstance(value, tuple):
            return 6
        if isinstance(value, (str, bytes)):
            return 8
        return 9 if isinstance(value, list) else 12

    @classmethod
    def encode(cls, value):
        if isinstance(value, bool):
            return b""
        if isinstance(value, int):
            return zigzag(value)
        if isinstance(value, tuple):
            return zigzag(value[1])
        if isinstance(value, str):
            value = value.encode()
        if isinstance(value, bytes):
            return varint(len(value)) + value
        if isinstance(value, list):
            kind = cls.kind(value[0]) if value else 12
            head = bytes([len(value) << 4 | kind]) if len(value) < 15 else bytes([0xF0 | kind]) + varint(len(value))
            return head + b"".join(cls.encode(item) for item in value)
        out, last = bytearray(), 0
        for field, item in sorted(value.fields.items()):
            step = field - last
            out += bytes([step << 4 | cls.kind(item)]) if step < 16 else bytes([cls.kind(item)]) + zigzag(field)
            out += cls.encode(item)
            last = field
        return bytes(out) + b"\0"


def plain(type, values):
    if type == BOOLEAN:
        out = bytearray((len(values) + 7) // 8)
        for index, value in enumerate(values):
            out[index // 8] |= value << index % 8
        return bytes(out)
    if type == BYTE_ARRAY:
        return b"".join(struct.pack("<I", len(value)) + value for value in values)
    if type in (INT96, FIXED):
        return b"".join(values)
    return b"".join(struct.pack({INT32: "<i", INT64: "<q", FLOAT: "<f", DOUBLE: "<d"}[type], value) for value in values)


def hybrid(levels, width, rng):
    """Runs and packed groups, at random where both will do."""
    out, index, bytes_of = bytearray(), 0, (width + 7) // 8
    while index < len(levels):
        run = 1
        while index + run < len(levels) and levels[index + run] == levels[index]:
            run += 1
        if run >= 8 or rng.random() < 0.5:
            out += varint(run << 1) + levels[index].to_bytes(bytes_of, "little")
            index += run
            continue
        groups = min(rng.choice([1, 2, 3]), (len(levels) - index + 7) // 8)
        part = levels[index:index + 8 * groups]
        number = sum(level << width * place for place, level in enumerate(part))
        out += varint(groups << 1 | 1) + number.to_bytes(groups * width, "little")
        index += len(part)
    return bytes(out)


def bit_packed(levels, width):
    text = "".join(f"{level:0{width}b}" for level in levels)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[place:place + 8], 2) for place in range(0, len(text), 8))


def shred(node, value, r, d, depth, columns, path):
    """Appends (repetition, definition, value) to every column below a node (Dremel, section 4.2)."""
    def null(node, path):
        if node.type is not None:
            columns[path + (node.name,)].append((r, d, None))
        for child in node.children:
            null(child, path + (node.name,))

    def put(value, r, d, depth):
        if node.type is not None:
            columns[path + (node.name,)].append((r, d, value))
        for child in node.children:
            shred(child, value[child.name], r, d, depth, columns, path + (node.name,))

    if node.repetition == REPEATED:
        if not value:
            null(node, path)
        for index, item in enumerate(value):
            put(item, depth + 1 if index else r, d + 1, depth + 1)
    elif node.repetition == OPTIONAL:
        null(node, path) if value is None else put(value, r, d + 1, depth)
    else:
        put(value, r, d, depth)


def leaves(nodes, path=(), d=0, r=0):
    for node in nodes:
        inner = (path + (node.name,), d + (node.repetition != REQUIRED), r + (node.repetition == REPEATED))
        if node.type is not None:
            yield inner[0], node.type, inner[1], inner[2]
        yield from leaves(node.children, *inner)


def elements(nodes):
    for node in nodes:
        yield Wrapped({1: node.type, 3: node.repetition, 4: node.name, 5: len(node.children) or None,
                       6: node.converted})
        yield from elements(node.children)


def compress(data, codec, rng):
    if codec == 2 and len(data) > 1 and rng.random() < 0.5:
        half = len(data) // 2
        return gzip.compress(data[:half], mtime=0) + gzip.compress(data[half:], mtime=0)
    return gzip.compress(data, mtime=0) if codec == 2 else data


def page(entries, type, d, r, codec, rng, second=None, packed=False, checksum=None):
    """A header and its page, at random in what is not given."""
    second = rng.random() < 0.5 if second is None else second
    values = plain(type, [value for _, level, value in entries if level == d])
    sizes = []
    parts = []
    for maximum, levels in ((r, [e[0] for e in entries]), (d, [e[1] for e in entries])):
        width = maximum.bit_length()
        if maximum == 0:
            data = b""
        elif packed and not second:
            data = bit_packed(levels, width)
        else:
            data = hybrid(levels, width, rng)
            data = data if second else struct.pack("<I", len(data)) + data
        parts.append(data)
        sizes.append(len(data))
    size = sum(sizes) + len(values)
    if second:
        squeezed = codec != 0 and rng.random() < 0.5
        body = parts[0] + parts[1] + (compress(values, codec, rng) if squeezed else values)
        header = {1: 3, 2: size, 3: len(body), 8: Wrapped({
            1: len(entries), 2: sum(level < d for _, level, _ in entries), 3: sum(e[0] == 0 for e in entries), 4: 0,
            5: sizes[1], 6: sizes[0], 7: squeezed})}
    else:
        body = compress(parts[0] + parts[1] + values, codec, rng)
        levels = 4 if packed else 3
        header = {1: 0, 2: size, 3: len(body), 5: Wrapped({1: len(entries), 2: 0, 3: levels, 4: levels})}
    if rng.random() < 0.5 if checksum is None else checksum:
        crc = zlib.crc32(body)
        header[4] = crc - 2**32 if crc >= 2**31 else crc
    return Wrapped.encode(Wrapped(header)) + body


def write(path, nodes, records, rng, codec=0, **form):
    """Writes records as one row group."""
    columns = {leaf[0]: [] for leaf in leaves(nodes)}
    for record in records:
        for node in nodes:
            shred(node, record[node.name], 0, 0, 0, columns, ())
    parts = []
    for name, type, d, r in leaves(nodes):
        entries, pages = columns[name], b""
        while entries:
            cut = rng.randint(1, len(entries))
            while cut < len(entries) and entries[cut][0] != 0:
                cut += 1
            pages += page(entries[:cut], type, d, r, codec, rng, **form)
            entries = entries[cut:]
        parts.append((len(columns[name]), pages))
    write_pages(path, nodes, len(records), parts, codec)


def write_pages(path, nodes, rows, parts, codec=0, magic=b"PAR1"):
    """Writes one row group of finished pages: for each column the number of values and the bytes."""
    out, chunks = bytearray(b"PAR1"), []
    for (name, type, _, _), (count, pages) in zip(leaves(nodes), parts, strict=True):
        chunks.append(Wrapped({2: ("i64", len(out)), 3: Wrapped({
            1: type, 2: [0, 3], 3: list(name), 4: codec, 5: ("i64", count), 6: ("i64", len(pages)),
            7: ("i64", len(pages)), 9: ("i64", len(out))})}))
        out += pages
    schema = [Wrapped({4: "schema", 5: len(nodes)}), *elements(nodes)]
    groups = [Wrapped({1: chunks, 2: ("i64", len(out)), 3: ("i64", rows)})]
    footer = Wrapped.encode(Wrapped({1: 1, 2: schema, 3: ("i64", rows), 4: groups}))
    path.write_bytes(bytes(out) + footer + struct.pack("<I", len(footer)) + magic)
