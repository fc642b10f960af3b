// Lettuce against the address that the REDIS_* variables name: in RESP2, and in RESP3, which it asks for by itself. One
// line per check.

import io.lettuce.core.ClientOptions;
import io.lettuce.core.KeyValue;
import io.lettuce.core.LMoveArgs;
import io.lettuce.core.Range;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisException;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.RedisURI;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.SetArgs;
import io.lettuce.core.TransactionResult;
import io.lettuce.core.api.async.RedisAsyncCommands;
import io.lettuce.core.api.sync.RedisCommands;
import io.lettuce.core.codec.ByteArrayCodec;
import io.lettuce.core.codec.StringCodec;
import io.lettuce.core.output.NestedMultiOutput;
import io.lettuce.core.output.StatusOutput;
import io.lettuce.core.protocol.CommandArgs;
import io.lettuce.core.protocol.CommandType;
import io.lettuce.core.protocol.ProtocolKeyword;
import io.lettuce.core.protocol.ProtocolVersion;
import io.lettuce.core.pubsub.RedisPubSubAdapter;
import io.lettuce.core.pubsub.StatefulRedisPubSubConnection;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

final class LettuceSuite {
    interface Check {
        void run(RedisCommands<String, String> redis) throws Exception;
    }

    static final Duration LIMIT = Duration.ofSeconds(20);
    static ProtocolVersion protocol;
    static RedisClient client;

    public static void main(String[] arguments) throws Exception {
        for (ProtocolVersion each : new ProtocolVersion[] {ProtocolVersion.RESP2, ProtocolVersion.RESP3}) {
            protocol = each;
            client = client(env("REDIS_USER"), env("REDIS_PASSWORD"));
            check("version", LettuceSuite::version);
            check("types", LettuceSuite::types);
            check("pipeline", LettuceSuite::pipeline);
            check("transactions", LettuceSuite::transactions);
            check("scripts", LettuceSuite::scripts);
            check("blocking", LettuceSuite::blocking);
            check("pubsub", LettuceSuite::pubsub);
            check("databases", LettuceSuite::databases);
            check("login", LettuceSuite::login);
            check("reconnect", LettuceSuite::reconnect);
            end(client);
        }
    }

    static void version(RedisCommands<String, String> redis) {
        List<Object> hello = redis.dispatch(CommandType.HELLO, new NestedMultiOutput<>(StringCodec.UTF8));
        long wanted = protocol == ProtocolVersion.RESP2 ? 2 : 3;
        same(wanted, hello.get(hello.indexOf("proto") + 1));
    }

    static void types(RedisCommands<String, String> redis) {
        redis.flushall();
        byte[] bytes = new byte[256];
        for (int n = 0; n < bytes.length; n++) {
            bytes[n] = (byte) n;
        }
        byte[] key = "le:bytes".getBytes(StandardCharsets.UTF_8);
        try (var raw = client.connect(ByteArrayCodec.INSTANCE)) {
            same("OK", raw.sync().set(key, bytes));
            must(Arrays.equals(bytes, raw.sync().get(key)), "the bytes");
        }
        same(null, redis.get("le:none"));
        same(null, redis.set("le:bytes", "x", SetArgs.Builder.nx()));
        same("OK", redis.set("le:text", "naïve ✓"));
        same("naïve ✓", redis.get("le:text"));
        same(1L << 62, redis.incrby("le:n", 1L << 62));
        same(1.5, redis.incrbyfloat("le:f", 1.5));
        same(2L, redis.hset("le:h", Map.of("a", "1", "b", "zwei")));
        same(Map.of("a", "1", "b", "zwei"), redis.hgetall("le:h"));
        String[] numbers = numbers(500);
        same(500L, redis.rpush("le:l", numbers));
        same(List.of(numbers), redis.lrange("le:l", 0, -1));
        same(2L, redis.sadd("le:s", "a", "b", "a"));
        same(Set.of("a", "b"), redis.smembers("le:s"));
        same(2L, redis.zadd("le:z", 1.0, "a", 2.5, "b"));
        same(2.5, redis.zscore("le:z", "b"));
        same(2.5, redis.zrangeWithScores("le:z", 0, -1).get(1).getScore());
        same(List.of(KeyValue.just("a", "1"), KeyValue.empty("none")), redis.hmget("le:h", "a", "none"));
        same(1L, redis.exists("le:h"));
        String entry = redis.xadd("le:x", Map.of("f", "v"));
        same(entry, redis.xrange("le:x", Range.unbounded()).get(0).getId());
        same("OK", redis.setex("le:large", 100, "v".repeat(4 << 20)));
        same(4 << 20, redis.get("le:large").length());
        must(redis.ttl("le:large") > 90, "a time to live");
        same(2L, redis.del("le:large", "le:bytes", "le:none"));
        refused("WRONGTYPE", () -> redis.get("le:h"));
        refused("unknown command", () -> redis.dispatch(word("NOSUCH"), new StatusOutput<>(StringCodec.UTF8)));
    }

    static void pipeline(RedisCommands<String, String> redis) throws Exception {
        try (var connection = client.connect()) {
            RedisAsyncCommands<String, String> async = connection.async();
            List<RedisFuture<String>> answers = new ArrayList<>();
            // All in one write.
            connection.setAutoFlushCommands(false);
            for (int n = 0; n < 3000; n++) {
                async.set("le:p" + n, "" + n);
                answers.add(async.get("le:p" + n));
            }
            connection.flushCommands();
            connection.setAutoFlushCommands(true);
            for (int n = 0; n < 3000; n++) {
                same("" + n, answer(answers.get(n)));
            }
            async.set("le:p", "text");
            RedisFuture<Long> error = async.incr("le:p");
            RedisFuture<String> last = async.get("le:p");
            same("text", answer(last));
            must(error.await(1, TimeUnit.SECONDS) && error.getError().contains("not an integer"), error.getError());
        }
        same("2999", redis.get("le:p2999"));
    }

    static void transactions(RedisCommands<String, String> redis) throws Exception {
        same("OK", redis.multi());
        redis.set("le:t", "0");
        redis.incr("le:t");
        redis.incr("le:t");
        same(List.of("OK", 1L, 2L), redis.exec().stream().toList());
        try (var connection = client.connect()) {
            RedisAsyncCommands<String, String> async = connection.async();
            async.multi();
            RedisFuture<Long> three = async.incr("le:t");
            RedisFuture<TransactionResult> done = async.exec();
            same(List.of(3L), answer(done).stream().toList());
            same(3L, answer(three));
            RedisCommands<String, String> other = connection.sync();
            redis.watch("le:t");
            other.set("le:t", "10");
            redis.multi();
            redis.incr("le:t");
            must(redis.exec().wasDiscarded(), "somebody else wrote");
            redis.watch("le:t");
            redis.unwatch();
            other.set("le:t", "20");
            redis.multi();
            redis.incr("le:t");
            same("20", other.get("le:t"));
            same(List.of(21L), redis.exec().stream().toList());
            redis.multi();
            redis.set("le:t", "99");
            same("OK", redis.discard());
            same("21", other.get("le:t"));
        }
    }

    static void scripts(RedisCommands<String, String> redis) {
        String[] keys = {"k"};
        String text = "return {KEYS[1], ARGV[1], 7}";
        same(List.of("k", "v", 7L), redis.eval(text, ScriptOutputType.MULTI, keys, "v"));
        String sha = redis.scriptLoad("return redis.call('INCRBY', KEYS[1], ARGV[1])");
        String[] counter = {"le:lua"};
        same(5L, redis.evalsha(sha, ScriptOutputType.INTEGER, counter, "5"));
        same(10L, redis.evalsha(sha, ScriptOutputType.INTEGER, counter, "5"));
        same(List.of(true, false), redis.scriptExists(sha, "0".repeat(40)));
        refused("NOSCRIPT", () -> redis.evalsha("0".repeat(40), ScriptOutputType.VALUE));
        refused("my error", () -> redis.eval("return redis.error_reply('ERR my error')", ScriptOutputType.VALUE));
    }

    static void blocking(RedisCommands<String, String> redis) throws Exception {
        try (var waiting = client.connect()) {
            RedisFuture<KeyValue<String, String>> popped = waiting.async().blpop(10, "le:q1", "le:q2");
            Thread.sleep(100);
            for (int n = 0; n < 100; n++) {
                same("OK", redis.set("le:b", "" + n));
            }
            must(!popped.isDone(), "it blocks");
            same(1L, redis.rpush("le:q2", "work"));
            same(KeyValue.just("le:q2", "work"), answer(popped));
            same(null, waiting.sync().blpop(0.2, "le:q1"));
            redis.rpush("le:q1", "a", "b");
            same("b", waiting.sync().blmove("le:q1", "le:q3", LMoveArgs.Builder.rightLeft(), 1));
            same("OK", waiting.sync().set("le:b", "free"));
        }
    }

    /** The server hears of the end of a subscription behind its answer. */
    static void silent(LongSupplier publish) throws InterruptedException {
        for (int n = 0; publish.getAsLong() != 0; n++) {
            must(n < 1000, "nobody listens any more");
            Thread.sleep(10);
        }
    }

    static void pubsub(RedisCommands<String, String> redis) throws Exception {
        try (var listening = client.connectPubSub()) {
            BlockingQueue<String> heard = ears(listening);
            listening.sync().subscribe("le:a", "le:b");
            listening.sync().psubscribe("le:pat*");
            listening.sync().ssubscribe("le:shard");
            same(1L, redis.publish("le:pattern", "hello"));
            same("le:pat*>le:pattern=hello", heard.poll(10, TimeUnit.SECONDS));
            for (int n = 0; n < 200; n++) {
                same(1L, redis.publish("le:a", "" + n));
            }
            for (int n = 0; n < 200; n++) {
                same("le:a=" + n, heard.poll(10, TimeUnit.SECONDS));
            }
            same(1L, redis.spublish("le:shard", "part"));
            same("le:shard=part", heard.poll(10, TimeUnit.SECONDS));
            listening.sync().unsubscribe("le:a");
            silent(() -> redis.publish("le:a", "nobody"));
            if (protocol == ProtocolVersion.RESP3) {
                same("OK", listening.sync().set("le:b", "beside subscriptions"));
            }
            same(1L, redis.publish("le:b", "end"));
            same("le:b=end", heard.poll(10, TimeUnit.SECONDS));
            listening.sync().unsubscribe("le:b");
            listening.sync().punsubscribe("le:pat*");
            // It takes note of the end of a subscription behind the answer, and of RESP2 refuses the next command until then.
            for (int n = 0; ; n++) {
                try {
                    listening.sync().sunsubscribe("le:shard");
                    break;
                } catch (RedisException error) {
                    must(n < 1000 && error.getMessage().contains("while subscribed"), error.getMessage());
                    Thread.sleep(5);
                }
            }
            // The connection is an ordinary one again.
            same("OK", listening.sync().set("le:b", "free"));
        }
    }

    static void databases(RedisCommands<String, String> redis) {
        try (var connection = client.connect()) {
            RedisCommands<String, String> other = connection.sync();
            same("OK", other.select(3));
            same("OK", other.set("le:db", "three"));
            same(null, redis.get("le:db"));
            same("three", other.get("le:db"));
            refused("out of range", () -> other.select(99));
            same("OK", other.flushdb());
            same(0L, other.dbsize());
        }
    }

    static void login(RedisCommands<String, String> redis) {
        refused("WRONGPASS", () -> come(env("REDIS_USER"), "wrong"));
        refused("WRONGPASS", () -> come("nobody", env("REDIS_PASSWORD")));
        refused("WRONGPASS", () -> redis.auth(env("REDIS_USER"), "wrong"));
        same("PONG", redis.ping());
        same(env("REDIS_USER"), redis.aclWhoami());
        same("OK", redis.clientSetname("me"));
        same("me", redis.clientGetname());
    }

    // A server that ends: lettuce connects again by itself, in the database where it was and to what it listened to.
    static void reconnect(RedisCommands<String, String> redis) throws Exception {
        try (var listening = client.connectPubSub()) {
            BlockingQueue<String> heard = ears(listening);
            listening.sync().subscribe("le:again");
            redis.select(4);
            same("OK", redis.set("le:kept", "1"));
            shutdown();
            patiently(() -> same("OK", redis.set("le:back", "1")));
            same(null, redis.get("le:kept"));
            redis.multi();
            redis.incr("le:t2");
            same(1, redis.exec().size());
            redis.select(0);
            same(null, redis.get("le:back"));
            patiently(() -> must(redis.publish("le:again", "still") == 1, "it listens again"));
            same("le:again=still", heard.poll(10, TimeUnit.SECONDS));
        }
    }

    // Whoever runs this starts the server again once it has ended.
    static void shutdown() {
        var user = uri(env("REDIS_USER"), env("REDIS_PASSWORD"));
        RedisClient direct = RedisClient.create(user);
        // It would be said again to the next server.
        direct.setOptions(ClientOptions.builder().autoReconnect(false).build());
        RedisURI server = RedisURI.builder(user).withPort(Integer.parseInt(env("REDIS_SERVER_PORT"))).build();
        try (var connection = direct.connect(server)) {
            var how = new CommandArgs<>(StringCodec.UTF8).add("NOSAVE").add("NOW").add("FORCE");
            connection.sync().dispatch(word("SHUTDOWN"), new StatusOutput<>(StringCodec.UTF8), how);
        } catch (RedisException ended) {
            // That is what it was to do.
        } finally {
            end(direct);
        }
    }

    static void check(String name, Check check) throws Exception {
        try (var connection = client.connect()) {
            check.run(connection.sync());
        }
        System.out.println("ok " + name + " " + protocol);
    }

    static RedisClient client(String user, String password) {
        RedisClient made = RedisClient.create(uri(user, password));
        if (protocol == ProtocolVersion.RESP2) {
            made.setOptions(ClientOptions.builder().protocolVersion(ProtocolVersion.RESP2).build());
        }
        return made;
    }

    static RedisURI uri(String user, String password) {
        var builder = RedisURI.builder().withHost(env("REDIS_HOST")).withPort(Integer.parseInt(env("REDIS_PORT")));
        return builder.withAuthentication(user, password).withTimeout(LIMIT).build();
    }

    static void come(String user, String password) {
        RedisClient stranger = client(user, password);
        try (var connection = stranger.connect()) {
            connection.sync().ping();
        } finally {
            end(stranger);
        }
    }

    static void end(RedisClient client) {
        client.shutdown(Duration.ZERO, LIMIT);
    }

    static BlockingQueue<String> ears(StatefulRedisPubSubConnection<String, String> listening) {
        BlockingQueue<String> heard = new LinkedBlockingQueue<>();
        listening.addListener(new RedisPubSubAdapter<>() {
            @Override
            public void message(String channel, String message) {
                heard.add(channel + "=" + message);
            }

            @Override
            public void message(String pattern, String channel, String message) {
                heard.add(pattern + ">" + channel + "=" + message);
            }

            @Override
            public void smessage(String channel, String message) {
                heard.add(channel + "=" + message);
            }
        });
        return heard;
    }

    static <T> T answer(RedisFuture<T> future) throws Exception {
        return future.get(LIMIT.toSeconds(), TimeUnit.SECONDS);
    }

    // A command that lettuce has no method for.
    static ProtocolKeyword word(String name) {
        return () -> name.getBytes(StandardCharsets.UTF_8);
    }

    // Until the server is there.
    static void patiently(Runnable call) throws Exception {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (true) {
            try {
                call.run();
                return;
            } catch (RedisException | AssertionError failure) {
                must(System.nanoTime() < deadline, "the server is back: " + failure);
                Thread.sleep(50);
            }
        }
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
        } catch (RedisException error) {
            Throwable cause = error;
            while (cause.getCause() != null) {
                cause = cause.getCause();
            }
            must(cause instanceof RedisCommandExecutionException && cause.getMessage().contains(text), "" + cause);
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
