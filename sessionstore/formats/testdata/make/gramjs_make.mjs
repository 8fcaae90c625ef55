// Prints GramJS's strings: node gramjs_make.mjs > ../gramjs.json
import { createRequire } from 'node:module'

const require = createRequire(process.cwd() + '/')
const { StringSession } = require('telegram/sessions')
const { AuthKey } = require('telegram/crypto/AuthKey')

const key = dc => Buffer.from(Array.from({ length: 256 }, (_, i) => (i * 31 + 17 * dc) & 0xff))

async function make(dc, host, port) {
    const s = new StringSession('')
    s.setDC(dc, host, port)
    const k = new AuthKey()
    await k.setKey(key(dc))
    s.setAuthKey(k)
    return s.save()
}

console.log(JSON.stringify({
    ipv4: await make(2, '149.154.167.51', 443), // as long as a Telethon string with IPv6
    short: await make(5, '91.108.56.1', 443),
    ipv6: await make(4, '2001:67c:4e8:f004::a', 443),
    name: await make(2, 'venus.web.telegram.org', 443),
    test: await make(2, '149.154.167.40', 80),
}, null, 1))
