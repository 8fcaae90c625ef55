# Gives our tdata folders (../ours-tdata*.zip) to opentele: python check_tdata.py
import pathlib
import tempfile
import zipfile

from opentele.td import TDesktop

import known

for name, passcode in (("ours-tdata", ""), ("ours-tdata-passcode", "correct horse")):
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(pathlib.Path(__file__).parent.parent / (name + ".zip")).extractall(folder)
        desk = TDesktop(folder, passcode=passcode)
        assert desk.isLoaded() and desk.accountsCount == 1
        account = desk.mainAccount
        assert (int(account.MainDcId), account.UserId) == (2, known.WIDE)
        assert account.authKey.key == known.key(2)
        print("opentele", name, "accepted")
