"""Lists Python's text encodings by all their names, with what each makes of a text.

A line has the name, the codec's name, the text encoded, in hexadecimal, and the text; and for each byte alone its
character's code point, or nothing where it has none.
"""

import codecs
import encodings
import encodings.aliases
import pkgutil

TEXT = '{"action": "search", "value": "eéжλאعไあ犬한€"}'

# In Big5, the WHATWG registry has these elsewhere.
UNLIKE = {"big5": "жあ", "cp950": "жあ"}


def encodes(codec, char):
    try:
        return char.encode(codec).decode(codec) == char
    except UnicodeError:
        return False


def character(codec, byte):
    try:
        return str(ord(bytes([byte]).decode(codec)))
    except (UnicodeError, TypeError):
        return ""


names = {module.name for module in pkgutil.iter_modules(encodings.__path__)}
names |= set(encodings.aliases.aliases)
for name in sorted(names):
    try:
        codec = codecs.lookup(name)
    except LookupError:  # a module that is no codec, or a codec of another system
        continue
    if not codec._is_text_encoding:
        continue
    codec = encodings.aliases.aliases.get(name, name)
    text = "".join(char for char in TEXT if encodes(codec, char) and char not in UNLIKE.get(codec, ""))
    try:
        encoded = text.encode(codec)
    except UnicodeError:  # a codec for less than texts
        encoded = b""
    print(name, codec, encoded.hex(), text, ",".join(character(codec, byte) for byte in range(256)), sep="\t")
