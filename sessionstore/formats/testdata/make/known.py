# The values that every session here is made of. The keys are public patterns: they open nothing.
import json

DC = 2


def key(dc):
    return bytes((i * 31 + 17 * dc) & 0xFF for i in range(256))


USER = 123456789  # fits 32 bits
WIDE = 5123456789  # does not
API_ID = 1234567


def dump(cases):
    print(json.dumps(cases, indent=1))
