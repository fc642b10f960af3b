// Lettuce's RedisClusterClient at the gateway that GATEWAY names, for as long as its standard input is open.

import io.lettuce.core.RedisFuture;
import io.lettuce.core.RedisURI;
import io.lettuce.core.cluster.ClusterClientOptions;
import io.lettuce.core.cluster.ClusterTopologyRefreshOptions;
import io.lettuce.core.cluster.RedisClusterClient;
import io.lettuce.core.protocol.ProtocolVersion;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

final class Client {
    static volatile boolean open = true;

    public static void main(String[] arguments) throws Exception {
        Thread input = new Thread(Client::untilTheEnd);
        input.setDaemon(true);
        input.start();
        var uri = RedisURI.create("redis://" + System.getenv("GATEWAY"));
        uri.setClientName("driver");
        RedisClusterClient client = RedisClusterClient.create(uri);
        var refresh = ClusterTopologyRefreshOptions.builder().enablePeriodicRefresh(Duration.ofMillis(500));
        var options = ClusterClientOptions.builder()
            .topologyRefreshOptions(refresh.enableAllAdaptiveRefreshTriggers().build());
        if (System.getenv("PROTOCOL").equals("2")) {
            options.protocolVersion(ProtocolVersion.RESP2);
        }
        client.setOptions(options.build());
        int turn = 0;
        try (var connection = client.connect()) {
            var sync = connection.sync();
            var async = connection.async();
            while (open || turn < 3) {
                Map<String, String> values = new HashMap<>();
                List<RedisFuture<Long>> counts = new ArrayList<>();
                for (int n = 0; n < 100; n++) {
                    values.put("le:" + n, "" + turn);
                    same("OK", sync.set("le:" + n, "" + turn));
                }
                for (String key : values.keySet()) {
                    same("" + turn, sync.get(key));
                    counts.add(async.incr(key));
                }
                for (RedisFuture<Long> count : counts) {
                    same(turn + 1L, count.get(20, TimeUnit.SECONDS));
                }
                // Lettuce makes a command for each slot of these.
                same("OK", sync.mset(values));
                same(100, sync.mget(values.keySet().toArray(String[]::new)).size());
                turn++;
            }
            var ports = connection.getPartitions().stream().map(node -> node.getUri().getPort()).sorted();
            System.out.println("nodes " + ports.map(String::valueOf).collect(Collectors.joining(" ")));
            System.out.println("turns " + turn);
        }
        client.shutdown(Duration.ZERO, Duration.ofSeconds(20));
    }

    static void untilTheEnd() {
        try {
            System.in.readAllBytes();
        } catch (IOException gone) {
            // That is an end too.
        }
        open = false;
    }

    static void same(Object want, Object got) {
        if (!want.equals(got)) {
            throw new AssertionError("wanted " + want + ", got " + got);
        }
    }
}
