// Postgres.js against the address that the PG* variables name. One line per check.
'use strict'
const assert = require('node:assert/strict')
const { Readable } = require('node:stream')
const { pipeline } = require('node:stream/promises')
const postgres = require('postgres')
const ssl = require('./tls.cjs')()

const options = { ssl, max: 1, onnotice() {} }
const sqlstate = (code) => (error) => error.code === code

const checks = {
  async types(sql) {
    const bytes = Buffer.from([0, 1, 254, 255])
    const moment = new Date('2026-11-20T12:30:15.123Z')
    const [row] = await sql`
      SELECT ${true}::bool AS b, ${-7}::int AS i, ${'naïve ✓'}::text AS t, ${bytes}::bytea AS y,
        ${moment}::timestamptz AS m, ${sql.json({ a: [1] })}::jsonb AS j, ${[1, 2]}::int[] AS l, NULL AS n`
    assert.deepEqual({ ...row }, {
      b: true, i: -7, t: 'naïve ✓', y: bytes, m: moment, j: { a: [1] }, l: [1, 2], n: null,
    })
  },

  async prepared(sql) {
    for (let n = 0; n < 50; n++) {
      const [row] = await sql`SELECT ${n}::int + 1 AS n`
      assert.equal(row.n, n + 1)
    }
    for (let n = 0; n < 50; n++) {
      const [row] = await sql.unsafe(`SELECT $1::int + ${n} AS n`, [1], { prepare: true })
      assert.equal(row.n, n + 1)
    }
    const [plain] = await sql.unsafe('SELECT $1::int AS n', [7], { prepare: false })
    assert.equal(plain.n, 7)
  },

  // The driver sends queries of one connection without waiting for answers.
  async pipeline(sql) {
    const answers = await Promise.allSettled(
      Array.from({ length: 500 }, (_, n) => sql`SELECT 1000 / ${n % 10}::int AS q, ${n}::int AS n`),
    )
    answers.forEach((answer, n) => {
      if (n % 10 === 0) {
        assert.equal(answer.reason.code, '22012')
      } else {
        assert.deepEqual({ ...answer.value[0] }, { q: Math.floor(1000 / (n % 10)), n })
      }
    })
  },

  async transactions(sql) {
    await sql`DROP TABLE IF EXISTS postgres_js_tx`
    await sql`CREATE TABLE postgres_js_tx (id int PRIMARY KEY)`
    await sql.begin(async (tx) => {
      await tx`INSERT INTO postgres_js_tx VALUES (1)`
      await assert.rejects(
        tx.savepoint((inner) => inner`INSERT INTO postgres_js_tx VALUES (1)`),
        sqlstate('23505'),
      )
      await tx`INSERT INTO postgres_js_tx VALUES (2)`
    })
    const gaveUp = sql.begin(async (tx) => {
      await tx`INSERT INTO postgres_js_tx VALUES (3)`
      throw new Error('the program gives up')
    })
    await assert.rejects(gaveUp, /gives up/)
    const rows = await sql`SELECT id FROM postgres_js_tx ORDER BY id`
    assert.deepEqual(rows.map((row) => row.id), [1, 2])
    await sql`DROP TABLE postgres_js_tx`
  },

  async errors(sql) {
    await assert.rejects(sql`SELECT 1/0`, sqlstate('22012'))
    await assert.rejects(sql`SELEC`, sqlstate('42601'))
    const several = await sql`SELECT 1 AS a; SELECT 2 AS b`.simple()
    assert.deepEqual(several.map((rows) => ({ ...rows[0] })), [{ a: 1 }, { b: 2 }])
  },

  async cursors(sql) {
    let total = 0
    await sql`SELECT generate_series(1, 1000) AS n`.cursor(64, (rows) => {
      for (const row of rows) total += row.n
    })
    assert.equal(total, 500500)
    const seen = []
    for await (const [row] of sql`SELECT generate_series(1, 100) AS n`.cursor()) {
      seen.push(row.n)
      if (row.n === 5) break
    }
    assert.deepEqual(seen, [1, 2, 3, 4, 5])
  },

  async copy(sql) {
    await sql`DROP TABLE IF EXISTS postgres_js_copy`
    await sql`CREATE TABLE postgres_js_copy (id int, word text)`
    const lines = Array.from({ length: 5000 }, (_, n) => `${n}\tword ${n}\n`)
    await pipeline(Readable.from(lines), await sql`COPY postgres_js_copy FROM STDIN`.writable())
    const [copied] = await sql`SELECT count(*)::int AS n FROM postgres_js_copy`
    assert.equal(copied.n, lines.length)
    // The driver never resumes a socket that it paused at the end of a copy, so this one stays
    // below its high-water mark.
    const chunks = []
    const some = await sql`COPY (SELECT * FROM postgres_js_copy WHERE id < 400) TO STDOUT`.readable()
    for await (const chunk of some) chunks.push(chunk)
    assert.equal(Buffer.concat(chunks).toString(), lines.slice(0, 400).join(''))
    await sql`DROP TABLE postgres_js_copy`
  },

  async cancel(sql) {
    const start = Date.now()
    const query = sql`SELECT pg_sleep(60)`
    const rejected = assert.rejects(query, sqlstate('57014'))
    query.execute()
    setTimeout(() => query.cancel(), 200)
    await rejected
    assert.ok(Date.now() - start < 1200, `cancelled after ${Date.now() - start} ms`)
    const [row] = await sql`SELECT 1 AS n`
    assert.equal(row.n, 1)
  },
}

async function main() {
  const sql = postgres(options)
  for (const [name, check] of Object.entries(checks)) {
    await check(sql)
    console.log(`ok ${name}`)
  }
  await sql.end()
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
