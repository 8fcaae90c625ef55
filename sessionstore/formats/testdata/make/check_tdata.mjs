// Gives our tdata folders to @mtcute/convert: node check_tdata.mjs PLAIN PASSCODE
// (folders that ../ours-tdata.zip and ../ours-tdata-passcode.zip were unpacked to)
import assert from 'node:assert'
import { convertFromTdata, Tdata } from '@mtcute/convert'

const key = dc => Buffer.from(Array.from({ length: 256 }, (_, i) => (i * 31 + 17 * dc) & 0xff))

for (const [path, passcode] of [[process.argv[2], ''], [process.argv[3], 'correct horse']]) {
    const desk = await Tdata.open({ path, passcode })
    const auth = await desk.readMtpAuthorization()
    assert.equal(auth.mainDcId, 2)
    assert.equal(auth.userId.toNumber(), 5123456789)
    assert.deepEqual(auth.authKeys.map(k => [k.dcId, Buffer.from(k.key)]), [[2, key(2)], [4, key(4)]])
    const s = await convertFromTdata(desk)
    assert.deepEqual(Buffer.from(s.authKey), key(2))
    console.log('@mtcute/convert', passcode ? 'passcode' : 'plain', 'accepted')
}
