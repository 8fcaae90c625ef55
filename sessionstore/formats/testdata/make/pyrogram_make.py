# Prints Pyrogram's strings, run once with each release:
#   python pyrogram_make.py > ../pyrogram-1.2.json (1.4, 2.0, kurigram)
import asyncio
import pathlib

import pyrogram

import known


async def make(dc, test, user, bot):
    if pyrogram.__version__ < "2":
        from pyrogram.storage import MemoryStorage

        s = MemoryStorage(":memory:")
    else:
        try:
            from pyrogram.storage import MemoryStorage

            s = MemoryStorage("made")
        except ImportError:
            from pyrogram.storage import SQLiteStorage

            s = SQLiteStorage("made", pathlib.Path("."), in_memory=True)
    await s.open()
    await s.dc_id(dc)
    if hasattr(s, "api_id"):
        await s.api_id(known.API_ID)
    await s.test_mode(test)
    await s.auth_key(known.key(dc))
    await s.user_id(user)
    await s.is_bot(bot)
    return await s.export_session_string()


async def main():
    cases = {
        "user": await make(2, False, known.USER, False),
        "bot": await make(4, False, known.USER, True),
        "test": await make(1, True, known.USER, False),
    }
    if pyrogram.__version__ >= "1.3":
        cases["wide"] = await make(5, False, known.WIDE, False)
    known.dump(cases)


asyncio.new_event_loop().run_until_complete(main())
