// Jedis against the address that the REDIS_* variables name, in RESP2 and RESP3. One line per check.

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.JedisPubSub;
import redis.clients.jedis.Pipeline;
import redis.clients.jedis.RedisProtocol;
import redis.clients.jedis.Response;
import redis.clients.jedis.Transaction;
import redis.clients.jedis.args.ListDirection;
import redis.clients.jedis.exceptions.JedisConnectionException;
import redis.clients.jedis.exceptions.JedisDataException;
import redis.clients.jedis.exceptions.JedisException;
import redis.clients.jedis.params.ScanParams;
import redis.clients.jedis.params.SetParams;
import redis.clients.jedis.resps.ScanResult;

final class RedisSuite {
    interface Check {
        void run(Jedis jedis) throws Exception;
    }

    static RedisProtocol protocol;

    public static void main(String[] arguments) throws Exception {
        for (RedisProtocol each : new RedisProtocol[] {RedisProtocol.RESP2, RedisProtocol.RESP3}) {
            protocol = each;
            check("types", RedisSuite::types);
            check("pipeline", RedisSuite::pipeline);
            check("transactions", RedisSuite::transactions);
            check("scripts", RedisSuite::scripts);
            check("blocking", RedisSuite::blocking);
            check("pubsub", RedisSuite::pubsub);
            check("scan", RedisSuite::scan);
            check("databases", RedisSuite::databases);
            check("login", RedisSuite::login);
            check("reconnect", RedisSuite::reconnect);
        }
    }

    static void types(Jedis jedis) {
        jedis.flushAll();
        byte[] bytes = new byte[256];
        for (int n = 0; n < bytes.length; n++) {
            bytes[n] = (byte) n;
        }
        byte[] key = "j:bytes".getBytes(StandardCharsets.UTF_8);
        same("OK", jedis.set(key, bytes));
        must(Arrays.equals(bytes, jedis.get(key)), "the bytes");
        same(null, jedis.get("j:none"));
        same(null, jedis.set("j:bytes", "x", SetParams.setParams().nx()));
        same("OK", jedis.set("j:text", "naïve ✓"));
        same("naïve ✓", jedis.get("j:text"));
        same(1L << 62, jedis.incrBy("j:n", 1L << 62));
        same(1.5, jedis.incrByFloat("j:f", 1.5));
        same(2L, jedis.hset("j:h", Map.of("a", "1", "b", "zwei")));
        same(Map.of("a", "1", "b", "zwei"), jedis.hgetAll("j:h"));
        String[] numbers = numbers(500);
        same(500L, jedis.rpush("j:l", numbers));
        same(List.of(numbers), jedis.lrange("j:l", 0, -1));
        same(2L, jedis.sadd("j:s", "a", "b", "a"));
        same(Set.of("a", "b"), jedis.smembers("j:s"));
        same(2L, jedis.zadd("j:z", Map.of("a", 1.0, "b", 2.5)));
        same(2.5, jedis.zscore("j:z", "b"));
        same(2, jedis.zrangeWithScores("j:z", 0, -1).size());
        same(List.of("1", "zwei"), jedis.hmget("j:h", "a", "b"));
        same(true, jedis.exists("j:h"));
        same("OK", jedis.setex("j:large", 100, "v".repeat(4 << 20)));
        same(4L << 20, (long) jedis.get("j:large").length());
        must(jedis.ttl("j:large") > 90, "a time to live");
        same(2L, jedis.del("j:large", "j:bytes", "j:none"));
        refused("WRONGTYPE", () -> jedis.get("j:h"));
        refused("unknown command", () -> jedis.sendCommand(() -> "NOSUCH".getBytes(StandardCharsets.UTF_8)));
    }

    static void pipeline(Jedis jedis) {
        List<Response<String>> answers = new ArrayList<>();
        Pipeline pipe = jedis.pipelined();
        for (int n = 0; n < 3000; n++) {
            pipe.set("j:p" + n, "" + n);
            answers.add(pipe.get("j:p" + n));
        }
        pipe.sync();
        for (int n = 0; n < 3000; n++) {
            same("" + n, answers.get(n).get());
        }
        Pipeline mixed = jedis.pipelined();
        mixed.set("j:p", "text");
        Response<Long> error = mixed.incr("j:p");
        Response<String> last = mixed.get("j:p");
        mixed.sync();
        refused("not an integer", error::get);
        same("text", last.get());
    }

    static void transactions(Jedis jedis) {
        Transaction first = jedis.multi();
        first.set("j:t", "0");
        first.incr("j:t");
        Response<Long> two = first.incr("j:t");
        same(3, first.exec().size());
        same(2L, two.get());
        try (Jedis other = connect()) {
            jedis.watch("j:t");
            other.set("j:t", "10");
            Transaction lost = jedis.multi();
            lost.incr("j:t");
            same(null, lost.exec());
            jedis.watch("j:t");
            jedis.unwatch();
            other.set("j:t", "20");
            Transaction kept = jedis.multi();
            kept.incr("j:t");
            same("20", other.get("j:t"));
            same(List.of(21L), kept.exec());
            Transaction dropped = jedis.multi();
            dropped.set("j:t", "99");
            same("OK", dropped.discard());
            same("21", other.get("j:t"));
        }
    }

    static void scripts(Jedis jedis) {
        same(List.of("k", "v", 7L), jedis.eval("return {KEYS[1], ARGV[1], 7}", List.of("k"), List.of("v")));
        String sha = jedis.scriptLoad("return redis.call('INCRBY', KEYS[1], ARGV[1])");
        same(5L, jedis.evalsha(sha, List.of("j:lua"), List.of("5")));
        same(10L, jedis.evalsha(sha, List.of("j:lua"), List.of("5")));
        same(List.of(true, false), jedis.scriptExists(sha, "0".repeat(40)));
        refused("NOSCRIPT", () -> jedis.evalsha("0".repeat(40)));
        refused("my error", () -> jedis.eval("return redis.error_reply('ERR my error')"));
    }

    static void blocking(Jedis jedis) throws Exception {
        try (Jedis waiting = connect()) {
            var popped = CompletableFuture.supplyAsync(() -> waiting.blpop(10, "j:q1", "j:q2"));
            Thread.sleep(100);
            for (int n = 0; n < 100; n++) {
                same("OK", jedis.set("j:b", "" + n));
            }
            must(!popped.isDone(), "it blocks");
            same(1L, jedis.rpush("j:q2", "work"));
            same(List.of("j:q2", "work"), popped.get(10, TimeUnit.SECONDS));
            same(null, waiting.blpop(0.2, "j:q1"));
            jedis.rpush("j:q1", "a", "b");
            same("b", waiting.blmove("j:q1", "j:q3", ListDirection.RIGHT, ListDirection.LEFT, 1));
            same("OK", waiting.set("j:b", "free"));
        }
    }

    /** The server hears of the end of a subscription behind its answer. */
    static void silent(LongSupplier publish) throws InterruptedException {
        for (int n = 0; publish.getAsLong() != 0; n++) {
            must(n < 1000, "nobody listens any more");
            Thread.sleep(10);
        }
    }

    static void pubsub(Jedis jedis) throws Exception {
        List<String> heard = new ArrayList<>();
        CountDownLatch subscribed = new CountDownLatch(3);
        CountDownLatch done = new CountDownLatch(202);
        JedisPubSub ears = new JedisPubSub() {
            @Override
            public void onSubscribe(String channel, int count) {
                subscribed.countDown();
            }

            @Override
            public void onPSubscribe(String pattern, int count) {
                subscribed.countDown();
            }

            @Override
            public void onMessage(String channel, String message) {
                heard.add(channel + "=" + message);
                done.countDown();
                if (message.equals("end")) {
                    unsubscribe();
                    punsubscribe();
                }
            }

            @Override
            public void onPMessage(String pattern, String channel, String message) {
                heard.add(pattern + ">" + channel + "=" + message);
                done.countDown();
            }
        };
        try (Jedis listening = connect()) {
            Thread thread = new Thread(() -> listening.subscribe(ears, "j:a", "j:b"));
            thread.start();
            while (subscribed.getCount() > 1) {
                Thread.sleep(5);
            }
            ears.psubscribe("j:pat*");
            must(subscribed.await(10, TimeUnit.SECONDS), "the subscriptions");
            same(1L, jedis.publish("j:pattern", "hello"));
            for (int n = 0; n < 200; n++) {
                same(1L, jedis.publish("j:a", "" + n));
            }
            same(1L, jedis.publish("j:b", "end"));
            must(done.await(10, TimeUnit.SECONDS), "the messages");
            thread.join(10_000);
            must(!thread.isAlive(), "the subscriptions have ended");
            same("j:pat*>j:pattern=hello", heard.get(0));
            same("j:a=0", heard.get(1));
            same("j:b=end", heard.get(201));
            // The connection is an ordinary one again.
            same("OK", listening.set("j:b", "free"));
            silent(() -> jedis.publish("j:a", "nobody"));
        }
    }

    static void scan(Jedis jedis) {
        Pipeline pipe = jedis.pipelined();
        for (int n = 0; n < 2000; n++) {
            pipe.set("scan:" + n, "" + n);
        }
        pipe.sync();
        Set<String> found = new HashSet<>();
        String cursor = ScanParams.SCAN_POINTER_START;
        do {
            ScanResult<String> some = jedis.scan(cursor, new ScanParams().match("scan:*").count(100));
            found.addAll(some.getResult());
            cursor = some.getCursor();
        } while (!cursor.equals(ScanParams.SCAN_POINTER_START));
        same(2000, found.size());
        Map<String, String> fields = new HashMap<>();
        for (String number : numbers(1500)) {
            fields.put("f" + number, number);
        }
        jedis.hset("j:hash", fields);
        Map<String, String> read = new HashMap<>();
        do {
            ScanResult<Map.Entry<String, String>> some = jedis.hscan("j:hash", cursor);
            some.getResult().forEach(entry -> read.put(entry.getKey(), entry.getValue()));
            cursor = some.getCursor();
        } while (!cursor.equals(ScanParams.SCAN_POINTER_START));
        same(fields, read);
        same(2000L, jedis.unlink(found.toArray(String[]::new)));
    }

    static void databases(Jedis jedis) {
        try (Jedis other = connect()) {
            same("OK", other.select(3));
            same("OK", other.set("j:db", "three"));
            same(null, jedis.get("j:db"));
            same("three", other.get("j:db"));
            refused("out of range", () -> other.select(99));
            same("OK", other.flushDB());
            same(0L, other.dbSize());
        }
    }

    static void login(Jedis jedis) {
        refused("WRONGPASS", () -> connect(env("REDIS_USER"), "wrong").ping());
        refused("WRONGPASS", () -> connect("nobody", env("REDIS_PASSWORD")).ping());
        refused("WRONGPASS", () -> jedis.auth(env("REDIS_USER"), "wrong"));
        same("PONG", jedis.ping());
        same(env("REDIS_USER"), jedis.aclWhoAmI());
        same("OK", jedis.clientSetname("me"));
        same("me", jedis.clientGetname());
    }

    static void reconnect(Jedis jedis) throws Exception {
        same("OK", jedis.set("j:kept", "1"));
        // Whoever runs this starts the server again once it has ended.
        var address = new HostAndPort("127.0.0.1", Integer.parseInt(env("REDIS_SERVER_PORT")));
        try (Jedis direct = new Jedis(address, config(env("REDIS_USER"), env("REDIS_PASSWORD")))) {
            direct.sendCommand(() -> "SHUTDOWN".getBytes(StandardCharsets.UTF_8), "NOSAVE", "NOW", "FORCE");
        } catch (JedisConnectionException ended) {
            // That is what it was to do.
        }
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(15);
        while (true) {
            try (Jedis again = connect()) {
                same("OK", again.set("j:back", "1"));
                same(null, again.get("j:kept"));
                Transaction transaction = again.multi();
                transaction.incr("j:t2");
                same(1, transaction.exec().size());
                return;
            } catch (JedisException failure) {
                must(System.nanoTime() < deadline, "the server is back: " + failure);
                Thread.sleep(50);
            }
        }
    }

    static void check(String name, Check check) throws Exception {
        try (Jedis jedis = connect()) {
            check.run(jedis);
        }
        System.out.println("ok " + name + " " + protocol);
    }

    static Jedis connect() {
        return connect(env("REDIS_USER"), env("REDIS_PASSWORD"));
    }

    static Jedis connect(String user, String password) {
        int port = Integer.parseInt(env("REDIS_PORT"));
        return new Jedis(new HostAndPort(env("REDIS_HOST"), port), config(user, password));
    }

    static DefaultJedisClientConfig config(String user, String password) {
        var builder = DefaultJedisClientConfig.builder().user(user).password(password).protocol(protocol);
        return builder.timeoutMillis(20_000).build();
    }

    static String[] numbers(int count) {
        String[] numbers = new String[count];
        Arrays.setAll(numbers, n -> "" + n);
        return numbers;
    }

    static String env(String name) {
        return System.getenv(name);
    }

    static void refused(String text, Runnable call) {
        try {
            call.run();
        } catch (JedisDataException error) {
            must(error.getMessage().contains(text), error.getMessage());
            return;
        }
        throw new AssertionError("not refused: " + text);
    }

    static void same(Object want, Object got) {
        must(Objects.equals(want, got), "wanted " + want + ", got " + got);
    }

    static void must(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError(what);
        }
    }
}
