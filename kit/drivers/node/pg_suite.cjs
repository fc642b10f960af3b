// node-postgres against the address that the PG* variables name. One line per check.
'use strict'
const assert = require('node:assert/strict')
const pg = require('pg')
const tls = require('./tls.cjs')

// The driver itself would read these and merge its own idea of TLS.
const ssl = tls()
delete process.env.PGSSLMODE
delete process.env.PGSSLROOTCERT

const sqlstate = (code) => (error) => error.code === code

const checks = {
  async types(client) {
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, n) => n))
    const moment = new Date('2026-11-20T12:30:15.123Z')
    const { rows } = await client.query({
      text: 'SELECT $1::bool, $2::int, $3::bigint, $4::float8, $5::text, $6::bytea, $7::timestamptz, $8::jsonb, $9::int[], NULL',
      values: [true, -7, '4611686018427387904', 1.5, 'naïve ✓', bytes, moment, { a: [1] }, [1, 2]],
      rowMode: 'array',
    })
    assert.deepEqual(rows, [
      [true, -7, '4611686018427387904', 1.5, 'naïve ✓', bytes, moment, { a: [1] }, [1, 2], null],
    ])
    const binary = await client.query({ text: 'SELECT $1::int AS n', values: [42], binary: true })
    assert.equal(binary.rows[0].n, 42)
  },

  async prepared(client) {
    for (let n = 0; n < 30; n++) {
      const add = await client.query({ name: 'add', text: 'SELECT $1::int + 1 AS n', values: [n] })
      assert.equal(add.rows[0].n, n + 1)
      const mark = await client.query({ name: 'mark', text: "SELECT $1 || '!' AS t", values: [`${n}`] })
      assert.equal(mark.rows[0].t, `${n}!`)
    }
    // The driver queues these without waiting.
    const answers = await Promise.all(
      Array.from({ length: 300 }, (_, n) =>
        client.query({ name: 'add', text: 'SELECT $1::int + 1 AS n', values: [n] })),
    )
    answers.forEach((answer, n) => assert.equal(answer.rows[0].n, n + 1))
  },

  async transactions(client) {
    await client.query('DROP TABLE IF EXISTS node_pg_tx; CREATE TABLE node_pg_tx (id int PRIMARY KEY)')
    await client.query('BEGIN')
    await client.query('INSERT INTO node_pg_tx VALUES ($1)', [1])
    await client.query('SAVEPOINT a')
    await assert.rejects(client.query('INSERT INTO node_pg_tx VALUES ($1)', [1]), sqlstate('23505'))
    await assert.rejects(client.query('SELECT 1'), sqlstate('25P02'))
    await client.query('ROLLBACK TO a')
    await client.query('COMMIT')
    await client.query('BEGIN')
    await client.query('INSERT INTO node_pg_tx VALUES (2)')
    await client.query('ROLLBACK')
    const { rows } = await client.query('SELECT id FROM node_pg_tx')
    assert.deepEqual(rows, [{ id: 1 }])
    await client.query('DROP TABLE node_pg_tx')
  },

  async errors(client) {
    await assert.rejects(client.query('SELECT 1/0'), sqlstate('22012'))
    await assert.rejects(client.query('SELECT 1/$1::int', [0]), sqlstate('22012'))
    await assert.rejects(client.query('SELEC'), sqlstate('42601'))
    const several = await client.query('SELECT 1 AS a; SELECT 2 AS b')
    assert.deepEqual(several.map((answer) => answer.rows), [[{ a: 1 }], [{ b: 2 }]])
    let notice
    client.once('notice', (message) => { notice = message.message })
    await client.query("DO $$ BEGIN RAISE NOTICE 'look here'; END $$")
    assert.equal(notice, 'look here')
  },

  async pool() {
    const pool = new pg.Pool({ ssl, max: 5 })
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) => pool.query('SELECT $1::int AS n, pg_backend_pid()', [n])),
    )
    answers.forEach((answer, n) => assert.equal(answer.rows[0].n, n))
    await pool.end()
  },

  async large(client) {
    const text = 'v'.repeat(4 << 20)
    const { rows } = await client.query('SELECT $1::text AS t', [text])
    assert.ok(rows[0].t === text)
    const many = await client.query("SELECT n, repeat('r', 500) FROM generate_series(1, 20000) n")
    assert.equal(many.rows.length, 20000)
    assert.equal(many.rows[19999].n, 20000)
  },

  async cancel(client) {
    const other = new pg.Client({ ssl })
    await other.connect()
    const start = Date.now()
    const sleeping = client.query("SELECT pg_sleep(60), 'node-pg-cancel'")
    const rejected = assert.rejects(sleeping, sqlstate('57014'))
    for (let ended = false; !ended && Date.now() - start < 5000;) {
      const { rows } = await other.query(
        "SELECT pg_cancel_backend(pid) AS ended FROM pg_stat_activity WHERE query LIKE '%node-pg-cancel%' AND pid <> pg_backend_pid()",
      )
      ended = rows.some((row) => row.ended)
    }
    await rejected
    assert.ok(Date.now() - start < 6000)
    await other.end()
    assert.equal((await client.query('SELECT 1 AS n')).rows[0].n, 1)
  },
}

async function main() {
  const client = new pg.Client({ ssl })
  await client.connect()
  for (const [name, check] of Object.entries(checks)) {
    await check(client)
    console.log(`ok ${name}`)
  }
  await client.end()
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
