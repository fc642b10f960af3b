// ioredis against the address that the REDIS_* variables name. One line per check.
'use strict'
const assert = require('node:assert/strict')
const { Redis } = require('ioredis')

const { REDIS_HOST: host, REDIS_USER: username, REDIS_PASSWORD: password } = process.env
const port = Number(process.env.REDIS_PORT)
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const range = (count) => Array.from({ length: count }, (_, n) => n)
const says = (text) => (error) => error.message.includes(text)

function connect(more) {
  const client = new Redis({ host, port, username, password, maxRetriesPerRequest: 1, ...more })
  client.on('error', () => {}) // what fails is seen by the command
  return client
}

const checks = {
  async types(client) {
    const bytes = Buffer.from(range(256))
    assert.equal(await client.set('js:bytes', bytes), 'OK')
    assert.deepEqual(await client.getBuffer('js:bytes'), bytes)
    assert.equal(await client.get('js:none'), null)
    assert.equal(await client.set('js:bytes', 'x', 'NX'), null)
    assert.equal(await client.set('js:text', 'naïve ✓'), 'OK')
    assert.equal(await client.get('js:text'), 'naïve ✓')
    assert.equal(await client.incrby('js:n', 41), 41)
    assert.equal(await client.incr('js:n'), 42)
    assert.equal(await client.hset('js:h', { a: 1, b: 'zwei' }), 2)
    assert.deepEqual({ ...await client.hgetall('js:h') }, { a: '1', b: 'zwei' })
    assert.equal(await client.rpush('js:l', ...range(500)), 500)
    assert.deepEqual(await client.lrange('js:l', 0, -1), range(500).map(String))
    assert.equal(await client.sadd('js:s', 'a', 'b', 'a'), 2)
    assert.deepEqual([...await client.smembers('js:s')].sort(), ['a', 'b'])
    assert.equal(await client.zadd('js:z', 1, 'a', 2.5, 'b'), 2)
    assert.equal(Number(await client.zscore('js:z', 'b')), 2.5)
    const entry = await client.xadd('js:x', '*', 'f', 'v')
    assert.deepEqual(await client.xrange('js:x', '-', '+'), [[entry, ['f', 'v']]])
    assert.equal(await client.mset(Object.fromEntries(range(100).map((n) => [`js:m${n}`, n]))), 'OK')
    assert.deepEqual(await client.mget(range(100).map((n) => `js:m${n}`)), range(100).map(String))
    const large = Buffer.alloc(4 << 20, 'large')
    assert.equal(await client.set('js:large', large, 'EX', 100), 'OK')
    assert.ok(large.equals(await client.getBuffer('js:large')))
    assert.ok(await client.ttl('js:large') > 90)
    assert.equal(await client.del('js:large', 'js:bytes', 'js:none'), 2)
    await assert.rejects(client.get('js:h'), says('WRONGTYPE'))
    await assert.rejects(client.call('NOSUCH'), says('unknown command'))
  },

  async pipeline(client) {
    const pipe = client.pipeline()
    for (const n of range(3000)) pipe.set(`js:p${n}`, n).get(`js:p${n}`)
    const answers = await pipe.exec()
    assert.deepEqual(answers, range(3000).flatMap((n) => [[null, 'OK'], [null, `${n}`]]))
    const mixed = await client.pipeline().set('js:p', 'text').incr('js:p').get('js:p').exec()
    assert.deepEqual([mixed[0], mixed[2]], [[null, 'OK'], [null, 'text']])
    assert.ok(mixed[1][0].message.includes('not an integer'))
    // Without waiting for one another.
    assert.deepEqual(await Promise.all(range(2000).map((n) => client.echo(`${n}`))), range(2000).map(String))
  },

  async transactions(client) {
    assert.deepEqual(await client.multi().set('js:t', 0).incr('js:t').incr('js:t').exec(),
      [[null, 'OK'], [null, 1], [null, 2]])
    const other = connect()
    await client.watch('js:t')
    await other.set('js:t', 10)
    assert.equal(await client.multi().incr('js:t').exec(), null)
    assert.equal(await client.get('js:t'), '10')
    await client.watch('js:t')
    await client.unwatch()
    await other.set('js:t', 20)
    assert.deepEqual(await client.multi().incr('js:t').exec(), [[null, 21]])
    await assert.rejects(client.multi().call('NOSUCH').set('js:t', 99).exec(), says('EXECABORT'))
    assert.equal(await client.multi({ pipeline: false }), 'OK')
    assert.equal(await client.set('js:t', 98), 'QUEUED')
    assert.equal(await other.get('js:t'), '21')
    assert.equal(await client.discard(), 'OK')
    assert.equal(await client.get('js:t'), '21')
    await other.quit()
  },

  async scripts(client) {
    assert.deepEqual(await client.eval('return {KEYS[1], ARGV[1], 7}', 1, 'k', 'v'), ['k', 'v', 7])
    client.defineCommand('addTo', { numberOfKeys: 1, lua: "return redis.call('INCRBY', KEYS[1], ARGV[1])" })
    await client.script('FLUSH')
    assert.equal(await client.addTo('js:lua', 5), 5)
    assert.equal(await client.addTo('js:lua', 5), 10)
    assert.deepEqual(await client.pipeline().addTo('js:lua', 1).get('js:lua').exec(), [[null, 11], [null, '11']])
    await assert.rejects(client.evalsha('0'.repeat(40), 0), says('NOSCRIPT'))
    await assert.rejects(client.eval("return redis.error_reply('ERR my error')", 0), says('my error'))
  },

  async blocking(client) {
    const waits = connect()
    const popped = waits.blpop('js:q1', 'js:q2', 10)
    await sleep(100)
    for (const n of range(100)) assert.equal(await client.set('js:b', n), 'OK')
    assert.equal(await client.rpush('js:q2', 'work'), 1)
    assert.deepEqual(await popped, ['js:q2', 'work'])
    assert.equal(await waits.blpop('js:q1', 0.2), null)
    await client.rpush('js:q1', 'a', 'b')
    assert.equal(await waits.blmove('js:q1', 'js:q3', 'RIGHT', 'LEFT', 1), 'b')
    const read = waits.xread('BLOCK', 5000, 'STREAMS', 'js:stream', '$')
    await sleep(100)
    const entry = await client.xadd('js:stream', '*', 'n', 1)
    assert.ok(JSON.stringify(await read).includes(entry))
    // Who goes away while it blocks takes nothing.
    const gone = waits.blpop('js:q1', 'js:q4', 'js:q4', 0)
    assert.deepEqual(await gone, ['js:q1', 'a'])
    const lost = waits.blpop('js:q4', 0).catch(() => 'lost')
    await sleep(100)
    waits.disconnect()
    assert.equal(await lost, 'lost')
    await sleep(200)
    assert.equal(await client.rpush('js:q4', 'kept'), 1)
    assert.equal(await client.lpop('js:q4'), 'kept')
  },

  async pubsub(client) {
    const [one, two] = [connect(), connect()]
    const heard = []
    one.on('message', (channel, text) => heard.push([channel, text]))
    const matched = []
    two.on('pmessage', (pattern, channel, text) => matched.push([pattern, channel, text]))
    assert.equal(await one.subscribe('js:a', 'js:b'), 2)
    assert.equal(await two.psubscribe('js:*'), 1)
    assert.equal(await client.publish('js:a', 'hello'), 2)
    for (const n of range(200)) await client.publish('js:b', n)
    for (let tries = 0; tries < 100 && (heard.length < 201 || matched.length < 201); tries++) await sleep(20)
    assert.deepEqual(heard, [['js:a', 'hello'], ...range(200).map((n) => ['js:b', `${n}`])])
    assert.deepEqual(matched[0], ['js:*', 'js:a', 'hello'])
    assert.equal(await one.unsubscribe('js:a'), 1)
    assert.equal(await one.unsubscribe('js:b'), 0)
    assert.equal(await client.publish('js:a', 'hello'), 1)
    assert.equal(await one.get('js:none'), null)
    await Promise.all([one.quit(), two.quit()])
  },

  async scan(client) {
    const pipe = client.pipeline()
    for (const n of range(2000)) pipe.set(`scan:${n}`, n)
    await pipe.exec()
    const found = new Set()
    for await (const keys of client.scanStream({ match: 'scan:*', count: 100 })) keys.forEach((key) => found.add(key))
    assert.equal(found.size, 2000)
    await client.hset('js:hash', Object.fromEntries(range(1500).map((n) => [`f${n}`, n])))
    let fields = 0
    for await (const some of client.hscanStream('js:hash', { count: 50 })) fields += some.length
    assert.equal(fields, 3000)
    await client.sadd('js:set', ...range(1500))
    let members = 0
    for await (const some of client.sscanStream('js:set', { count: 50 })) members += some.length
    assert.equal(members, 1500)
    assert.equal(await client.unlink(...found), 2000)
  },

  async resp3(client) {
    const three = connect({ protocol: 3 })
    const hello = await three.call('HELLO', '3')
    assert.ok(JSON.stringify(hello instanceof Map ? [...hello] : hello).includes('proto'))
    assert.equal(await three.set('js:3', 'x'), 'OK')
    assert.equal(await three.get('js:3'), 'x')
    assert.equal(await client.get('js:3'), 'x')
    await three.quit()
  },

  async databases(client) {
    const other = connect({ db: 3 })
    assert.equal(await other.set('js:db', 'three'), 'OK')
    assert.equal(await client.get('js:db'), null)
    assert.equal(await client.select(3), 'OK')
    assert.equal(await client.get('js:db'), 'three')
    await assert.rejects(client.select(99), says('out of range'))
    assert.equal(await client.get('js:db'), 'three')
    assert.equal(await client.select(0), 'OK')
    assert.equal(await other.quit(), 'OK')
  },

  async login() {
    for (const more of [{ password: 'wrong' }, { username: 'nobody' }]) {
      const stranger = connect({ ...more, retryStrategy: null, lazyConnect: true })
      const told = []
      stranger.on('error', (error) => told.push(error.message))
      await assert.rejects(stranger.connect().then(() => stranger.ping()))
      assert.match(told[0], /^WRONGPASS/)
      stranger.disconnect()
    }
    const again = connect({ connectionName: 'me' })
    assert.equal(await again.ping(), 'PONG')
    assert.equal(await again.client('GETNAME'), 'me')
    assert.equal(await again.acl('WHOAMI'), username)
    assert.equal(await again.quit(), 'OK')
  },

  async reconnect(client) {
    assert.equal(await client.set('js:kept', 1), 'OK')
    const ears = connect()
    const heard = []
    ears.on('message', (channel, text) => heard.push(text))
    await ears.subscribe('js:ears')
    // Whoever runs this starts the server again once it has ended.
    const direct = connect({ host: '127.0.0.1', port: Number(process.env.REDIS_SERVER_PORT), retryStrategy: null })
    await direct.call('SHUTDOWN', 'NOSAVE', 'NOW', 'FORCE').catch(() => {})
    const deadline = Date.now() + 15000
    for (;;) {
      const answer = await client.set('js:back', 1).catch((error) => error)
      if (answer === 'OK') break
      assert.ok(Date.now() < deadline, `the server did not come back: ${answer}`)
      await sleep(50)
    }
    assert.equal(await client.get('js:kept'), null, 'that was the same server')
    assert.deepEqual(await client.multi().set('js:t', 1).incr('js:t').exec(), [[null, 'OK'], [null, 2]])
    // The driver subscribes again when its connection has come back.
    while (heard.length === 0) {
      assert.ok(Date.now() < deadline, 'the subscription did not come back')
      await client.publish('js:ears', 'again')
      await sleep(50)
    }
    assert.equal(heard[0], 'again')
    ears.disconnect()
  },
}

async function main() {
  const client = connect()
  await client.flushall()
  for (const [name, check] of Object.entries(checks)) {
    await check(client)
    console.log(`ok ${name}`)
  }
  await client.quit()
}

main().then(() => process.exit(0), (error) => {
  console.error(error)
  process.exit(1)
})
