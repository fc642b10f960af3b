// ioredis's Cluster at the gateway that GATEWAY names, for as long as its standard input is open.
'use strict'
const assert = require('node:assert/strict')
const { Cluster } = require('ioredis')

let open = true
process.stdin.on('end', () => { open = false }).resume()

async function main() {
  const [host, port] = process.env.GATEWAY.split(':')
  const cluster = new Cluster([{ host, port: Number(port) }], {
    slotsRefreshInterval: 500, redisOptions: { connectionName: 'driver' },
  })
  let turn = 0
  while (open || turn < 3) {
    const keys = Array.from({ length: 100 }, (_, n) => `js:${n}`)
    const set = await Promise.all(keys.map((key) => cluster.set(key, `${turn}`)))
    assert.ok(set.every((told) => told === 'OK'))
    const got = await Promise.all(keys.map((key) => cluster.get(key)))
    assert.ok(got.every((value) => value === `${turn}`))
    turn += 1
  }
  const ports = cluster.nodes('all').map((node) => node.options.port).sort((a, b) => a - b)
  console.log(['nodes', ...new Set(ports)].join(' '))
  console.log(`turns ${turn}`)
  cluster.disconnect()
  process.exit(0)
}

main().catch((error) => { console.error(error); process.exit(1) })
