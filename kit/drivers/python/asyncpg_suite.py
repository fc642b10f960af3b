"""asyncpg against the address that the PG* variables name. One line per check."""

import asyncio
import io
import time
import uuid
from datetime import datetime, timezone
from decimal import Decimal

import asyncpg


async def types(conn):
    moment = datetime(2026, 11, 20, 12, 30, 15, 123456, tzinfo=timezone.utc)
    values = [True, -7, 2**62, 1.5, Decimal("12345.6789"), "naïve ✓", bytes(range(256)), moment,
              uuid.uuid4(), [1, None, 3]]
    sql = ("SELECT $1::bool, $2::int, $3::bigint, $4::float8, $5::numeric, $6::text, $7::bytea,"
           " $8::timestamptz, $9::uuid, $10::int[]")
    row = await conn.fetchrow(sql, *values)
    assert list(row) == values, row
    await conn.execute("DROP TYPE IF EXISTS asyncpg_mood")
    await conn.execute("CREATE TYPE asyncpg_mood AS ENUM ('glad', 'sad')")
    assert await conn.fetchval("SELECT $1::asyncpg_mood", "sad") == "sad"
    await conn.execute("DROP TYPE asyncpg_mood")


async def prepared(conn):
    statement = await conn.prepare("SELECT $1::int + $2::int")
    for n in range(50):
        assert await statement.fetchval(n, 1) == n + 1
    for n in range(150):  # more than the cache holds
        assert await conn.fetchval(f"SELECT $1::int + {n}", 1) == n + 1
    assert await statement.fetchval(20, 22) == 42


async def transactions(conn):
    await conn.execute("DROP TABLE IF EXISTS asyncpg_tx")
    await conn.execute("CREATE TABLE asyncpg_tx (id int PRIMARY KEY)")
    async with conn.transaction(isolation="repeatable_read"):
        await conn.execute("INSERT INTO asyncpg_tx VALUES (1)")
        try:
            async with conn.transaction():
                await conn.execute("INSERT INTO asyncpg_tx VALUES (1)")
            raise AssertionError("a duplicate was taken")
        except asyncpg.UniqueViolationError:
            pass
    await conn.executemany("INSERT INTO asyncpg_tx VALUES ($1)", [(n,) for n in range(10, 500)])
    try:
        async with conn.transaction():
            await conn.execute("INSERT INTO asyncpg_tx VALUES (2)")
            raise KeyError("the program gives up")
    except KeyError:
        pass
    assert await conn.fetchval("SELECT count(*) FROM asyncpg_tx") == 491
    await conn.execute("DROP TABLE asyncpg_tx")


async def errors(conn):
    for sql, state in (("SELECT 1/0", "22012"), ("SELEC", "42601"), ("SELECT nothing", "42703")):
        try:
            await conn.fetch(sql)
            raise AssertionError(f"{sql} was taken")
        except asyncpg.PostgresError as error:
            assert error.sqlstate == state, error.sqlstate
    assert await conn.execute("SELECT 1; SELECT 2") == "SELECT 1"
    assert await conn.fetchval("SELECT 1") == 1


async def cursors(conn):
    async with conn.transaction():
        total = 0
        async for row in conn.cursor("SELECT generate_series(1, $1::int)", 2500, prefetch=100):
            total += row[0]
        assert total == 2500 * 2501 // 2
        cursor = await conn.cursor("SELECT generate_series(1, 100)")
        await cursor.forward(90)
        assert [row[0] for row in await cursor.fetch(20)] == list(range(91, 101))


async def copy(conn):
    await conn.execute("DROP TABLE IF EXISTS asyncpg_copy")
    await conn.execute("CREATE TABLE asyncpg_copy (id int, word text)")
    rows = [(n, f"word {n}") for n in range(20000)]
    assert await conn.copy_records_to_table("asyncpg_copy", records=rows) == "COPY 20000"
    out = io.BytesIO()
    await conn.copy_from_query("SELECT * FROM asyncpg_copy ORDER BY id", output=out)
    lines = out.getvalue().decode().splitlines()
    assert len(lines) == 20000 and lines[-1] == "19999\tword 19999"
    await conn.execute("DROP TABLE asyncpg_copy")


async def pool(_conn):
    async with asyncpg.create_pool(min_size=2, max_size=6) as connections:
        async def ask(n):
            # acquire and release make the driver send its RESET ALL and UNLISTEN *.
            async with connections.acquire() as conn:
                await conn.execute(f"SET application_name = 'asyncpg {n}'")
                async with conn.transaction():
                    assert await conn.fetchval("SELECT $1::int", n) == n
                    name = await conn.fetchval("SELECT current_setting('application_name')")
                    assert name == f"asyncpg {n}", name
        await asyncio.gather(*(ask(n) for n in range(200)))


async def cancel(conn):
    start = time.monotonic()
    try:
        await conn.fetch("SELECT pg_sleep(60)", timeout=0.2)
        raise AssertionError("the query was not cancelled")
    except asyncio.TimeoutError:
        pass
    assert await conn.fetchval("SELECT 1") == 1
    assert time.monotonic() - start < 1.2


async def main():
    conn = await asyncpg.connect(statement_cache_size=100)
    for check in (types, prepared, transactions, errors, cursors, copy, pool, cancel):
        await check(conn)
        print("ok", check.__name__, flush=True)
    await conn.close()


asyncio.run(main())
