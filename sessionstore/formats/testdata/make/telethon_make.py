# Prints Telethon's strings: python telethon_make.py > ../telethon.json
from telethon.crypto import AuthKey
from telethon.sessions import StringSession

import known


def make(dc, host, port):
    s = StringSession()
    s.set_dc(dc, host, port)
    s.auth_key = AuthKey(known.key(dc))
    return s.save()


known.dump(
    {
        "ipv4": make(2, "149.154.167.51", 443),
        "ipv6": make(4, "2001:67c:4e8:f004::a", 443),
        "test": make(2, "149.154.167.40", 80),
    }
)
