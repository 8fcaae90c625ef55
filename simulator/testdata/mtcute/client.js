// A client that shares nothing with ours: it talks to the local Telegram as the test tells it.
//
// The first line of standard input is the setup: first DC, all public keys, phone, whom to write to,
// and what. It prints one JSON object a line and reads a line of text where it asks for one.
import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { MemoryStorage } from '@mtcute/core'
import { TelegramClient } from '@mtcute/node'
import { addPublicKey, NodeCryptoProvider } from '@mtcute/node/utils.js'

console.log = console.error // standard output is for the test
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const read = async () => (await lines.next()).value
const tell = (object) => process.stdout.write(JSON.stringify(object) + '\n')
const digest = (bytes) => createHash('sha256').update(bytes).digest('hex')

const setup = JSON.parse(await read())
const crypto = new NodeCryptoProvider()
await crypto.initialize()
for (const key of setup.keys) addPublicKey(crypto, key)

const client = new TelegramClient({
  apiId: 1,
  apiHash: 'hash',
  crypto,
  storage: new MemoryStorage(),
  defaultDcs: { main: setup.dc, media: setup.dc },
  logLevel: setup.logLevel,
})
client.onError.add((error) => console.error(error)) // it connects again by itself

const heard = new Set()
let wake = () => {}
client.onNewMessage.add((message) => {
  if (!message.isOutgoing) heard.add(message.text)
  wake()
})
const hear = async (text) => {
  while (!heard.has(text)) await new Promise((resolve) => { wake = resolve })
}

const self = await client.start({
  phone: setup.phone,
  code: async () => {
    tell({ step: 'code' })
    return await read()
  },
  codeSentCallback: () => {},
})
tell({ step: 'login', id: self.id, name: self.displayName })

const sent = await client.sendText(setup.peer, setup.text)
tell({ step: 'sent', id: sent.id, text: sent.text })

const wanted = await read()
await hear(wanted)
tell({ step: 'received', text: wanted })

const file = crypto.randomBytes(setup.size)
const uploaded = await client.sendMedia(setup.peer, {
  type: 'document',
  file,
  fileName: 'random.bin',
  fileMime: 'application/octet-stream',
  caption: 'a file',
})
tell({ step: 'uploaded', id: uploaded.id, sha256: digest(file), size: file.length })

for await (const message of client.iterHistory(setup.peer, { chunkSize: 2 })) {
  const entry = { step: 'history', id: message.id, text: message.text, out: message.isOutgoing }
  // A download from the home DC would be a second connection with the key of the first one.
  if (message.media?.type === 'document' && message.id !== uploaded.id) {
    const bytes = await client.downloadAsBuffer(message.media)
    Object.assign(entry, { sha256: digest(bytes), size: bytes.length, dc: message.media.dcId })
  }
  tell(entry)
}

await client.destroy()
tell({ step: 'end' })
process.exit(0)
