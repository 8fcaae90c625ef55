// Prints mtcute's strings and, with @mtcute/convert, writes two tdata folders below DIR:
//   node mtcute_make.mjs DIR > ../mtcute.json
// They are zipped as ../tdata-mtcute.zip and ../tdata-mtcute-passcode.zip.
import { writeStringSession } from '@mtcute/core/utils.js'
import { defaultProductionDc, defaultProductionIpv6Dc, defaultTestDc } from '@mtcute/core/utils.js'
import { convertToTdata } from '@mtcute/convert'

const key = dc => new Uint8Array(Array.from({ length: 256 }, (_, i) => (i * 31 + 17 * dc) & 0xff))
const self = (userId, isBot) => ({ userId, isBot, isPremium: false, usernames: [] })
const make = (primaryDcs, self) => writeStringSession({ version: 3, primaryDcs, self, authKey: key(primaryDcs.main.id) })

console.log(JSON.stringify({
    user: make(defaultProductionDc, self(123456789, false)),
    bot: make(defaultProductionDc, self(5123456789, true)),
    ipv6: make(defaultProductionIpv6Dc, self(123456789, false)),
    test: make(defaultTestDc, self(123456789, false)),
    nobody: make({ main: defaultProductionDc.main, media: defaultProductionDc.main }, null),
}, null, 1))

const session = (primaryDcs, self) => ({ version: 3, primaryDcs, self, authKey: key(primaryDcs.main.id) })
const dir = process.argv[2]
await convertToTdata([
    session(defaultProductionDc, self(123456789, false)),
    session({ main: { ...defaultProductionDc.main, id: 4 }, media: { ...defaultProductionDc.main, id: 4 } }, self(5123456789, false)),
], { path: dir + '/plain' })
await convertToTdata(session(defaultProductionDc, self(123456789, false)), { path: dir + '/passcode', passcode: 'correct horse' })
