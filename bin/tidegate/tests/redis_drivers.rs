//! Real drivers, on a server of their own and through the gateway in front of it. What passes on the server must pass
//! here too, and what fails there is a mistake of the suite.

use tidegate_kit::suites::redis::{self, RedisTarget};
use tidegate_kit::{Flavour, Gateway, Port, Redis};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");
const USER: &str = "app";
const PASSWORD: &str = "secret";

type Suite = fn(&RedisTarget, &mut Redis);

/// Clients and the gateway are different users of it, and nobody comes in without a password.
fn server(flavour: Flavour) -> Redis {
    let clients = format!("{USER} on >{PASSWORD} ~* &* +@all");
    Redis::builder(flavour).password("upstream").user(&clients).start()
}

fn yaml(port: &Port, server: &Redis) -> String {
    format!(
        "admin: {{ enabled: false }}\n\
         listeners:\n\
         \x20 main:\n\
         \x20   protocol: redis\n\
         \x20   address: \"{address}\"\n\
         \x20   login: {{ users: {{ {USER}: {{ password: {PASSWORD} }} }} }}\n\
         \x20   routes: [ {{ cluster: cache }} ]\n\
         clusters:\n\
         \x20 cache:\n\
         \x20   protocol: redis\n\
         \x20   endpoints: [ {{ address: \"{upstream}\" }} ]\n\
         \x20   credential: {{ password: upstream }}\n",
        address = port.address(),
        upstream = server.address(),
    )
}

fn direct(flavour: Flavour, suite: Suite) {
    let mut server = server(flavour);
    let target = RedisTarget {
        address: server.address(),
        user: USER.to_owned(),
        password: PASSWORD.to_owned(),
    };
    suite(&target, &mut server);
}

fn gateway(flavour: Flavour, suite: Suite) {
    let mut server = server(flavour);
    let port = Port::reserve();
    let gateway = Gateway::builder(TIDEGATE, &yaml(&port, &server));
    let gateway = gateway.listens(port.address()).start();
    let target = RedisTarget {
        address: port.address(),
        user: USER.to_owned(),
        password: PASSWORD.to_owned(),
    };
    suite(&target, &mut server);
    assert!(gateway.process().alive(), "the gateway has ended:\n{}", gateway.log());
    let log = gateway.log();
    assert!(!log.contains("panic"), "{log}");
}

macro_rules! suites {
    ($($suite:ident: $direct:ident, $redis:ident, $valkey:ident;)*) => {
        $(
            #[test]
            fn $direct() {
                for flavour in Flavour::ALL {
                    direct(flavour, redis::$suite);
                }
            }

            #[test]
            fn $redis() {
                gateway(Flavour::Redis, redis::$suite);
            }

            #[test]
            fn $valkey() {
                gateway(Flavour::Valkey, redis::$suite);
            }
        )*
    };
}

suites! {
    redis_cli: redis_cli_direct, redis_cli_redis, redis_cli_valkey;
    redis_py: redis_py_direct, redis_py_redis, redis_py_valkey;
    ioredis: ioredis_direct, ioredis_redis, ioredis_valkey;
    redis_rs: redis_rs_direct, redis_rs_redis, redis_rs_valkey;
    jedis: jedis_direct, jedis_redis, jedis_valkey;
    lettuce: lettuce_direct, lettuce_redis, lettuce_valkey;
    go_redis: go_redis_direct, go_redis_redis, go_redis_valkey;
}
