// Gives our strings to GramJS and mtcute: node check.mjs ../ours.json
import assert from 'node:assert'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { readStringSession } from '@mtcute/core/utils.js'

const require = createRequire(process.cwd() + '/')
const { StringSession } = require('telegram/sessions')

const key = dc => Buffer.from(Array.from({ length: 256 }, (_, i) => (i * 31 + 17 * dc) & 0xff))
const want = {
    user: { dc: 2, user: 123456789, bot: false, test: false, host: '149.154.167.41' },
    wide: { dc: 5, user: 5123456789, bot: false, test: false, host: '91.108.56.130' },
    bot: { dc: 4, user: 123456789, bot: true, test: false, host: '2001:67c:4e8:f004::a' },
    test: { dc: 1, user: 123456789, bot: false, test: true, host: '149.154.175.10' },
}
const ours = JSON.parse(readFileSync(process.argv[2], 'utf8'))

for (const [name, w] of Object.entries(want)) {
    const g = new StringSession(ours['gramjs/' + name])
    await g.load()
    assert.equal(g.dcId, w.dc)
    assert.equal(g.serverAddress, w.host)
    assert.equal(g.port, 443)
    assert.deepEqual(g.authKey.getKey(), key(w.dc))
    assert.equal(g.save(), ours['gramjs/' + name])
    console.log('gramjs', name, 'accepted')

    const m = readStringSession(ours['mtcute/' + name])
    assert.equal(m.primaryDcs.main.id, w.dc)
    assert.equal(m.primaryDcs.main.ipAddress, w.host)
    assert.equal(m.primaryDcs.main.ipv6, w.host.includes(':'))
    assert.equal(m.primaryDcs.main.port, 443)
    assert.equal(m.primaryDcs.main.testMode, w.test)
    assert.equal(m.self.userId, w.user)
    assert.equal(m.self.isBot, w.bot)
    assert.deepEqual(Buffer.from(m.authKey), key(w.dc))
    console.log('mtcute', name, 'accepted')
}
