# Writes two tdata folders below DIR with opentele: python opentele_make.py DIR
# They are zipped as ../tdata-opentele.zip and ../tdata-opentele-passcode.zip.
import sys

from opentele.api import API
from opentele.td import Account, AuthKey, AuthKeyType, TDesktop
from opentele.td.configs import DcId

import known


def make(path, passcode):
    desk = TDesktop()
    desk._TDesktop__passcode = passcode
    desk._TDesktop__passcodeBytes = passcode.encode()
    desk._TDesktop__generateLocalKey()
    account = Account(owner=desk, api=API.TelegramDesktop)
    keys = [AuthKey(known.key(dc), AuthKeyType.ReadFromFile, DcId(dc)) for dc in (2, 4)]
    account._setMtpAuthorizationCustom(DcId(2), known.WIDE, keys)
    desk._addSingleAccount(account)
    desk.SaveTData(path)


make(sys.argv[1] + "/plain", "")
make(sys.argv[1] + "/passcode", "correct horse")
