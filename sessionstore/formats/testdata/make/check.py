# Gives our strings (../ours.json) to a library: python check.py telethon|pyrogram-old|pyrogram
import asyncio
import json
import pathlib
import sys

import known

WANT = {
    "user": dict(dc=2, user=known.USER, bot=False, test=False, addr=("149.154.167.41", 443)),
    "wide": dict(dc=5, user=known.WIDE, bot=False, test=False, addr=("91.108.56.130", 443)),
    "bot": dict(dc=4, user=known.USER, bot=True, test=False, addr=("2001:67c:4e8:f004::a", 443)),
    "test": dict(dc=1, user=known.USER, bot=False, test=True, addr=("149.154.175.10", 443)),
}


def telethon(text, want):
    from telethon.sessions import StringSession

    s = StringSession(text)
    assert (s.dc_id, s.auth_key.key) == (want["dc"], known.key(want["dc"]))
    assert (s.server_address, s.port) == want["addr"]
    assert s.save() == text


async def pyrogram(text, want):
    try:
        from pyrogram.storage import MemoryStorage

        try:
            s = MemoryStorage("made", text)
        except TypeError:
            s = MemoryStorage(text)
    except ImportError:
        from pyrogram.storage import SQLiteStorage

        s = SQLiteStorage("made", pathlib.Path("."), session_string=text, in_memory=True)
    await s.open()
    assert await s.dc_id() == want["dc"]
    assert await s.auth_key() == known.key(want["dc"])
    assert await s.user_id() == want["user"]
    assert bool(await s.is_bot()) == want["bot"]
    assert bool(await s.test_mode()) == want["test"]
    if hasattr(s, "api_id") and sys.argv[1] == "pyrogram":
        assert await s.api_id() == known.API_ID


ours = json.loads((pathlib.Path(__file__).parent.parent / "ours.json").read_text())
for name, want in WANT.items():
    text = ours[sys.argv[1] + "/" + name]
    if sys.argv[1] == "telethon":
        telethon(text, want)
    else:
        asyncio.new_event_loop().run_until_complete(pyrogram(text, want))
    print(sys.argv[1], name, "accepted")
