"""Sends values of every kind as actions, and compares how the server shows them with Python's own str().

The values come from a seed. What is shown otherwise is printed, and leads to exit status 1.
"""

import json
import random
import socket
import struct
import sys
import unicodedata

from message import compose

EDGES = """
0 -0 0.0 -0.0 0e0 -0E5 1 -1 10 100 18446744073709551615 18446744073709551616 -9223372036854775808 -9223372036854775809
123456789012345678901234567890 1.0 1.50 0.1 0.0001 0.00001 0.00012345 1e5 1E+5 1e-5 100e-2 0.000001e7 12345.678e-3
1e15 1e16 1e17 123456789012345.0 1234567890123456.0 12345678901234567.0 9999999999999998.0 9007199254740993.0
-957020589468182.2 957020589468182.3 5e-324 4.9e-324 2.2250738585072011e-308 2.2250738585072014e-308 1e-308 1e-400
-1e-400 1.7976931348623157e308 1.7976931348623158e308 1e308 1e300 1e299 1e22 1e23 8.5e22 5.684341886080802e-14
5.684341886080801e-14 9.5367431640625e-07 0.30000000000000004 0.1000000000000000055511151231257827
179769313486231570000000000000000000000 1.000000000000000000000000000000000000001 123456789.125 4.35 0.000123456789012345678
""".split()


def float_texts(rng):
    for _ in range(10_000):
        (number,) = struct.unpack("<d", rng.randbytes(8))
        if number - number == 0:  # finite
            yield repr(number)
            yield f"{number:.16e}"
    for _ in range(10_000):
        yield f"{rng.uniform(-1e16, 1e16):.{rng.randrange(4)}f}"
        yield f"{rng.uniform(-1, 1) * 10 ** rng.randrange(-8, 20):.{rng.randrange(1, 18)}g}"
        yield f"{rng.randrange(10 ** rng.randrange(1, 18))}.{rng.randrange(10 ** rng.randrange(1, 6))}"
        yield f"{rng.randrange(-(10 ** 6), 10 ** 6)}e{rng.randrange(-330, 300)}"
    for exponent in range(-1074, 1024):
        yield repr(2.0**exponent)
        yield repr(-3 * 2.0**exponent if exponent < 1022 else 0.0)


def string_text(rng):
    """A string of JSON, with any characters, escaped or not."""
    parts = []
    for _ in range(rng.randrange(8)):
        char = chr(rng.randrange(rng.choice([0x7F, 0x300, 0x10000, 0x110000])))
        if unicodedata.ucd_3_2_0.category(char) == "Cn":  # later versions of Unicode don't agree
            continue
        is_escaped = char in '"\\' or char < " " or unicodedata.category(char) == "Cs" or rng.random() < 0.2
        parts.append(json.dumps(char)[1:-1] if is_escaped else char)
    parts.append(rng.choice(["", "", "'", '\\"', "'\\\"", "\\u0027", "\\/", "\\ud83d", "\\udc36\\ud83d"]))
    rng.shuffle(parts)
    return '"' + "".join(parts) + '"'


def value_text(rng, depth):
    kind = rng.randrange(8 if depth else 5)
    if kind < 2:
        return rng.choice(["null", "true", "false", *EDGES])
    if kind < 5:
        return string_text(rng)
    space = rng.choice(["", " ", "\n\t"])
    values = [value_text(rng, depth - 1) for _ in range(rng.randrange(6))]
    if kind == 5:
        return f"[{space}{(space + ',').join(values)}{space}]"
    keys = [rng.choice(['"a"', '"\\u0061"', '"b"', '"\'"', '""', string_text(rng)]) for _ in values]
    members = (f"{key}{space}:{space}{value}" for key, value in zip(keys, values))
    return "{" + space + ("," + space).join(members) + space + "}"


def list_text(texts):
    return "[" + ",".join(texts) + "]"


def action_texts(rng):
    yield from EDGES
    yield "[1e999, -1e999]"
    yield str(rng.randrange(10**4299))
    floats = list(float_texts(rng))
    yield from map(list_text, (floats[start : start + 5000] for start in range(0, len(floats), 5000)))
    for _ in range(200):
        yield list_text([value_text(rng, 4) for _ in range(20)])


def shown(stream):
    (header_len,) = struct.unpack(">H", stream.read(2))
    header = json.loads(stream.read(header_len))
    return json.loads(stream.read(header["content-length"]))["result"]


def main():
    host, port, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    count = 0
    with socket.create_connection((host, port)) as sock:
        stream = sock.makefile("rb")
        for text in action_texts(random.Random(seed)):
            content = ('{"action":' + text + "}").encode()
            sock.sendall(compose(content, "text/json", "utf-8", keep=True))
            expected = f"Error: invalid action '{json.loads(text)}'."
            got = shown(stream)
            if got != expected:
                at = next((at for at, pair in enumerate(zip(got, expected)) if pair[0] != pair[1]), 0)
                around = slice(max(at - 30, 0), at + 30)
                sys.exit(f"{ascii(got[around])} instead of {ascii(expected[around])} for {ascii(text[:500])}")
            count += 1
    print(f"{count} actions shown alike")


main()
