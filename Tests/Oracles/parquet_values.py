"""Random columns: Arrow types, values for them, and the JSON that a reader shall make of each value."""

import datetime
import decimal
import math
import struct
import uuid

import pyarrow as pa

WORDS = ["", "a", "user", "assistant", "Yes.", "héllo", "日本語", "👩‍🔬", "line\nbreak\ttab", "\u0000nul", "x" * 40,
         "A longer answer that is repeated, repeated, repeated. " * 3]


def text(rng):
    if rng.random() < 0.5:
        return rng.choice(WORDS)
    return "".join(rng.choice("abcdefgh äöü€😀") for _ in range(rng.randrange(0, 30)))


def clock(count, digits):
    second, fraction = divmod(count, 10**digits)
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.{fraction:0{digits}}"


def day(count):
    return datetime.date.fromordinal(719163 + count).isoformat()


def instant(count, digits, zone):
    days, rest = divmod(count, 86400 * 10**digits)
    return f"{day(days)}T{clock(rest, digits)}" + ("Z" if zone else "")


class Scalar:
    def __init__(self, arrow, make, render=lambda value: value):
        self.arrow, self.make, self.render = arrow, make, render


def integer(arrow, bits, signed):
    low, high = (-(2**(bits - 1)), 2**(bits - 1) - 1) if signed else (0, 2**bits - 1)

    def make(rng):
        if rng.random() < 0.2:
            return rng.choice([low, high, 0])
        return rng.randint(low, high) if rng.random() < 0.3 else max(low, min(high, rng.randint(-100, 100)))

    return Scalar(arrow, make, lambda value: value if value < 2**63 else float(value))


def floating(arrow, code):
    def make(rng):
        if rng.random() < 0.1:
            return rng.choice([math.nan, math.inf, -math.inf, -0.0, 0.0])
        return struct.unpack(code, struct.pack(code, rng.choice([rng.gauss(0, 1), rng.randint(-9, 9) / 2])))[0]

    return Scalar(arrow, make)


def decimals(arrow, precision, scale):
    def make(rng):
        digits = rng.randint(1, precision)
        whole = rng.randint(-(10**digits) + 1, 10**digits - 1)
        return decimal.Decimal(whole).scaleb(-scale, decimal.Context(prec=80))

    def render(value):
        if scale == 0 and -(2**63) <= int(value) < 2**63:
            return int(value)
        return float(value)

    return Scalar(arrow, make, render)


def times(arrow, digits, zone=False, day_only=False, stored=None):
    """`stored`: digits behind the second in the file, where they are not those of the type."""
    stored = digits if stored is None else stored

    def make(rng):
        if day_only:
            return rng.randrange(86400 * 10**digits)
        count = rng.randint(-2_000_000_000, 4_000_000_000) * 10**digits + rng.randrange(10**digits)
        return count if stored >= digits else count // 10**(digits - stored) * 10**(digits - stored)

    def render(value):
        value = value * 10**(stored - digits) if stored >= digits else value // 10**(digits - stored)
        return clock(value, stored) if day_only else instant(value, stored, zone)

    return Scalar(arrow, make, render)


def scalars(options, nested=False):
    """Every kind of value that can stand in a row, as these options of the writer store it."""
    long = options.get("use_deprecated_int96_timestamps", False)
    precise = options.get("version", "2.6") == "2.6"

    def stamp(unit, digits, zone):
        stored = 9 if long else {0: 3, 9: 9 if precise else 6}.get(digits, digits)
        return times(pa.timestamp(unit, "UTC" if zone else None), digits, zone and not long, stored=stored)

    return [
        Scalar(pa.bool_(), lambda rng: rng.random() < 0.5),
        integer(pa.int8(), 8, True), integer(pa.int16(), 16, True), integer(pa.int32(), 32, True),
        integer(pa.int64(), 64, True), integer(pa.uint8(), 8, False), integer(pa.uint16(), 16, False),
        integer(pa.uint32(), 32, False), integer(pa.uint64(), 64, False),
        floating(pa.float16(), "<e"), floating(pa.float32(), "<f"), floating(pa.float64(), "<d"),
        Scalar(pa.string(), text), Scalar(pa.string(), text), Scalar(pa.large_string(), text),
        Scalar(pa.binary(), lambda rng: text(rng).encode(), lambda value: value.decode()),
        Scalar(pa.binary(5), lambda rng: bytes(rng.choice(b"abcde") for _ in range(5)), lambda value: value.decode()),
        Scalar(pa.dictionary(pa.int32(), pa.string()), text),
        decimals(pa.decimal128(9, 2), 9, 2), decimals(pa.decimal128(18, 0), 18, 0),
        decimals(pa.decimal128(38, 10), 38, 10), decimals(pa.decimal256(76, 5), 76, 5),
        decimals(pa.decimal128(38, 0), 38, 0),
        Scalar(pa.date32(), lambda rng: rng.randint(-700_000, 2_900_000), day),
        times(pa.time32("ms"), 3, day_only=True), times(pa.time64("us"), 6, day_only=True),
        times(pa.time64("ns"), 9 if precise else 6, day_only=True) if precise else times(pa.time32("s"), 0, day_only=True, stored=3),
        stamp("s", 0, False), stamp("ms", 3, True), stamp("us", 6, False), stamp("ns", 9, True),
        Scalar(pa.null(), lambda rng: None),
        # pyarrow makes no nested arrays of these.
        *([] if nested else [Scalar(pa.uuid(), lambda rng: rng.randbytes(16), lambda value: str(uuid.UUID(bytes=value)))]),
    ]


class List:
    def __init__(self, item, form):
        self.item = item
        self.length = 3 if form is None else None
        self.arrow = pa.list_(item.arrow, 3) if form is None else form(item.arrow)

    def make(self, rng):
        count = self.length or rng.choice([0, 0, 1, 2, 3, 7])
        return [maybe(self.item, rng) for _ in range(count)]

    def render(self, value):
        return [show(self.item, element) for element in value]


class Struct:
    def __init__(self, fields):
        self.fields = fields
        self.arrow = pa.struct([pa.field(name, kind.arrow, nullable) for name, kind, nullable in fields])

    def make(self, rng):
        return {name: maybe(kind, rng) if nullable else kind.make(rng) for name, kind, nullable in self.fields}

    def render(self, value):
        return {name: show(kind, value[name]) for name, kind, _ in self.fields}


class Map:
    def __init__(self, key, value):
        self.key, self.value = key, value
        self.arrow = pa.map_(key.arrow, value.arrow)

    def make(self, rng):
        keys = {self.key.make(rng) for _ in range(rng.choice([0, 1, 2, 4]))}
        return [(key, maybe(self.value, rng)) for key in sorted(keys)]

    def render(self, value):
        if pa.types.is_string(self.key.arrow):
            return {key: show(self.value, item) for key, item in value}
        return [{"key": self.key.render(key), "value": show(self.value, item)} for key, item in value]


def maybe(kind, rng):
    return None if rng.random() < 0.15 else kind.make(rng)


def show(kind, value):
    return None if value is None else kind.render(value)


def random_kind(rng, options, depth=0):
    choice = rng.random()
    if depth > 3 or choice < 0.5:
        return rng.choice(scalars(options, nested=depth > 0))
    if choice < 0.75:
        return List(random_kind(rng, options, depth + 1), rng.choice([pa.list_, pa.list_, pa.large_list, None]))
    if choice < 0.93:
        fields = []
        for name in rng.sample(["role", "content", "from", "value", "ä", "list", "element", "x.y"], rng.randint(1, 4)):
            kind = random_kind(rng, options, depth + 1)
            fields.append((name, kind, rng.random() < 0.7 or pa.types.is_null(kind.arrow)))
        return Struct(fields)
    key = rng.choice([Scalar(pa.string(), text), integer(pa.int32(), 32, True)])
    return Map(key, random_kind(rng, options, depth + 1))
