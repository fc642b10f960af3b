// go-redis against the address that the REDIS_* variables name, in RESP2 and RESP3. One line per check.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var ctx = context.Background()

func main() {
	checks := []struct {
		name string
		run  func(*redis.Client, int)
	}{
		{"types", types}, {"pipeline", pipeline}, {"transactions", transactions}, {"scripts", scripts},
		{"blocking", blocking}, {"pubsub", pubsub}, {"scan", scan}, {"databases", databases}, {"login", login},
		{"reconnect", reconnect},
	}
	for _, protocol := range []int{2, 3} {
		client := connect(protocol, nil)
		for _, check := range checks {
			check.run(client, protocol)
			fmt.Printf("ok %s RESP%d\n", check.name, protocol)
		}
		must(client.Close() == nil, "closed")
	}
}

func types(c *redis.Client, protocol int) {
	same("OK", value(c.FlushAll(ctx).Result()))
	every := make([]byte, 256)
	for n := range every {
		every[n] = byte(n)
	}
	same("OK", value(c.Set(ctx, "go:bytes", every, 0).Result()))
	must(bytes.Equal(every, value(c.Get(ctx, "go:bytes").Bytes())), "the bytes")
	same(redis.Nil, c.Get(ctx, "go:none").Err())
	same(false, value(c.SetNX(ctx, "go:bytes", "x", 0).Result()))
	same("OK", value(c.Set(ctx, "go:text", "naïve ✓", 0).Result()))
	same("naïve ✓", value(c.Get(ctx, "go:text").Result()))
	same(int64(1)<<62, value(c.IncrBy(ctx, "go:n", 1<<62).Result()))
	same(1.5, value(c.IncrByFloat(ctx, "go:f", 1.5).Result()))
	same(int64(2), value(c.HSet(ctx, "go:h", "a", 1, "b", "zwei").Result()))
	same(map[string]string{"a": "1", "b": "zwei"}, value(c.HGetAll(ctx, "go:h").Result()))
	items := numbers(500)
	same(int64(500), value(c.RPush(ctx, "go:l", items...).Result()))
	same(500, len(value(c.LRange(ctx, "go:l", 0, -1).Result())))
	same(int64(2), value(c.SAdd(ctx, "go:s", "a", "b", "a").Result()))
	same(true, value(c.SIsMember(ctx, "go:s", "b").Result()))
	same(int64(2), value(c.ZAdd(ctx, "go:z", redis.Z{Score: 1, Member: "a"}, redis.Z{Score: 2.5, Member: "b"}).Result()))
	same([]redis.Z{{Score: 1, Member: "a"}, {Score: 2.5, Member: "b"}},
		value(c.ZRangeWithScores(ctx, "go:z", 0, -1).Result()))
	id := value(c.XAdd(ctx, &redis.XAddArgs{Stream: "go:x", Values: []string{"f", "v"}}).Result())
	same([]redis.XMessage{{ID: id, Values: map[string]any{"f": "v"}}}, value(c.XRange(ctx, "go:x", "-", "+").Result()))
	large := strings.Repeat("v", 4<<20)
	same("OK", value(c.Set(ctx, "go:large", large, 100*time.Second).Result()))
	must(large == value(c.Get(ctx, "go:large").Result()), "the large value")
	must(value(c.TTL(ctx, "go:large").Result()) > 90*time.Second, "a time to live")
	same(int64(2), value(c.Del(ctx, "go:large", "go:bytes", "go:none").Result()))
	refused("WRONGTYPE", c.Get(ctx, "go:h").Err())
	refused("unknown command", c.Do(ctx, "NOSUCH").Err())
	hello := value(c.Do(ctx, "HELLO", protocol).Result())
	must(strings.Contains(fmt.Sprint(hello), "proto"), "a greeting")
}

func pipeline(c *redis.Client, _ int) {
	pipe := c.Pipeline()
	var answers []*redis.StringCmd
	for n := range 3000 {
		pipe.Set(ctx, fmt.Sprint("go:p", n), n, 0)
		answers = append(answers, pipe.Get(ctx, fmt.Sprint("go:p", n)))
	}
	same(6000, len(value(pipe.Exec(ctx))))
	for n, answer := range answers {
		same(fmt.Sprint(n), answer.Val())
	}
	mixed := c.Pipeline()
	first, failed, last := mixed.Set(ctx, "go:p", "text", 0), mixed.Incr(ctx, "go:p"), mixed.Get(ctx, "go:p")
	_, err := mixed.Exec(ctx)
	refused("not an integer", err)
	refused("not an integer", failed.Err())
	same("OK", first.Val())
	same("text", last.Val())
}

func transactions(c *redis.Client, protocol int) {
	pipe := c.TxPipeline()
	pipe.Set(ctx, "go:t", 0, 0)
	two := pipe.IncrBy(ctx, "go:t", 2)
	same(2, len(value(pipe.Exec(ctx))))
	same(int64(2), two.Val())
	other := connect(protocol, nil)
	defer other.Close()
	err := c.Watch(ctx, func(tx *redis.Tx) error {
		same("2", value(tx.Get(ctx, "go:t").Result()))
		same("OK", value(other.Set(ctx, "go:t", 10, 0).Result()))
		_, err := tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Incr(ctx, "go:t")
			return nil
		})
		return err
	}, "go:t")
	same(redis.TxFailedErr, err)
	same("10", value(c.Get(ctx, "go:t").Result()))
	// Many who count in transactions lose nothing.
	done := make(chan error)
	add := func(tx *redis.Tx) error {
		n, err := tx.Get(ctx, "go:t").Int()
		if err != nil {
			return err
		}
		_, err = tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Set(ctx, "go:t", n+1, 0)
			return nil
		})
		return err
	}
	for range 4 {
		go func() {
			for n := 0; n < 10; {
				switch err := c.Watch(ctx, add, "go:t"); {
				case err == nil:
					n++
				case !errors.Is(err, redis.TxFailedErr):
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		same(nil, <-done)
	}
	same("50", value(c.Get(ctx, "go:t").Result()))
	spoilt := c.TxPipeline()
	spoilt.Do(ctx, "NOSUCH")
	spoilt.Set(ctx, "go:t", 99, 0)
	_, err = spoilt.Exec(ctx)
	refused("EXECABORT", err)
	same("50", value(c.Get(ctx, "go:t").Result()))
}

func scripts(c *redis.Client, _ int) {
	same([]any{"k", "v", int64(7)}, value(c.Eval(ctx, "return {KEYS[1], ARGV[1], 7}", []string{"k"}, "v").Result()))
	add := redis.NewScript("return redis.call('INCRBY', KEYS[1], ARGV[1])")
	same("OK", value(c.ScriptFlush(ctx).Result()))
	same(5, value(add.Run(ctx, c, []string{"go:lua"}, 5).Int()))
	same(10, value(add.Run(ctx, c, []string{"go:lua"}, 5).Int()))
	same([]bool{true}, value(add.Exists(ctx, c).Result()))
	refused("NOSCRIPT", c.EvalSha(ctx, strings.Repeat("0", 40), nil).Err())
	refused("my error", c.Eval(ctx, "return redis.error_reply('ERR my error')", nil).Err())
}

func blocking(c *redis.Client, _ int) {
	popped := make(chan []string)
	go func() { popped <- c.BLPop(ctx, 10*time.Second, "go:q1", "go:q2").Val() }()
	time.Sleep(100 * time.Millisecond)
	for n := range 100 {
		same("OK", value(c.Set(ctx, "go:b", n, 0).Result()))
	}
	same(int64(1), value(c.RPush(ctx, "go:q2", "work").Result()))
	same([]string{"go:q2", "work"}, <-popped)
	start := time.Now()
	same(redis.Nil, c.BLPop(ctx, time.Second, "go:q1").Err())
	must(time.Since(start) < 5*time.Second, "in time")
	value(c.RPush(ctx, "go:q1", "a", "b").Result())
	same("b", value(c.BLMove(ctx, "go:q1", "go:q3", "RIGHT", "LEFT", time.Second).Result()))
	// A call that its program gives up closes the connection, and takes nothing.
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	must(c.BLPop(short, 0, "go:q4").Err() != nil, "given up")
	time.Sleep(200 * time.Millisecond)
	same(int64(1), value(c.RPush(ctx, "go:q4", "kept").Result()))
	time.Sleep(100 * time.Millisecond)
	same("kept", value(c.LPop(ctx, "go:q4").Result()))
}

func pubsub(c *redis.Client, _ int) {
	one, two := c.Subscribe(ctx, "go:a", "go:b"), c.PSubscribe(ctx, "go:*")
	defer one.Close()
	defer two.Close()
	for range 2 {
		value(one.Receive(ctx))
	}
	value(two.Receive(ctx))
	same(int64(2), value(c.Publish(ctx, "go:a", "hello").Result()))
	same(&redis.Message{Channel: "go:a", Payload: "hello"}, value(one.ReceiveMessage(ctx)))
	same(&redis.Message{Channel: "go:a", Pattern: "go:*", Payload: "hello"}, value(two.ReceiveMessage(ctx)))
	for n := range 200 {
		value(c.Publish(ctx, "go:b", n).Result())
	}
	for n := range 200 {
		same(fmt.Sprint(n), value(one.ReceiveMessage(ctx)).Payload)
	}
	same(nil, one.Ping(ctx, "there"))
	same(&redis.Pong{Payload: "there"}, value(one.Receive(ctx)))
	same(nil, one.Unsubscribe(ctx, "go:a"))
	value(one.Receive(ctx))
	// A gateway that subscribes for many tells the client first and the server then.
	wanted := map[string]int64{"go:a": 0, "go:b": 1}
	for range 100 {
		if reflect.DeepEqual(wanted, value(c.PubSubNumSub(ctx, "go:a", "go:b").Result())) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	same(wanted, value(c.PubSubNumSub(ctx, "go:a", "go:b").Result()))
}

func scan(c *redis.Client, _ int) {
	pipe := c.Pipeline()
	for n := range 2000 {
		pipe.Set(ctx, fmt.Sprint("scan:", n), n, 0)
	}
	value(pipe.Exec(ctx))
	found := map[string]bool{}
	keys := c.Scan(ctx, 0, "scan:*", 100).Iterator()
	for keys.Next(ctx) {
		found[keys.Val()] = true
	}
	same(nil, keys.Err())
	same(2000, len(found))
	value(c.SAdd(ctx, "go:set", numbers(1500)...).Result())
	members := map[string]bool{}
	some := c.SScan(ctx, "go:set", 0, "", 50).Iterator()
	for some.Next(ctx) {
		members[some.Val()] = true
	}
	same(1500, len(members))
	for key := range found {
		same(int64(1), value(c.Unlink(ctx, key).Result()))
		break
	}
}

func databases(c *redis.Client, protocol int) {
	other := connect(protocol, func(options *redis.Options) { options.DB = 3 })
	defer other.Close()
	same("OK", value(other.Set(ctx, "go:db", "three", 0).Result()))
	same(redis.Nil, c.Get(ctx, "go:db").Err())
	same("three", value(other.Get(ctx, "go:db").Result()))
	same("OK", value(other.FlushDB(ctx).Result()))
	same(int64(0), value(other.DBSize(ctx).Result()))
	none := connect(protocol, func(options *redis.Options) { options.DB = 99 })
	defer none.Close()
	refused("out of range", none.Ping(ctx).Err())
}

func login(_ *redis.Client, protocol int) {
	wrong := []func(*redis.Options){
		func(options *redis.Options) { options.Password = "wrong" },
		func(options *redis.Options) { options.Username = "nobody" },
	}
	for _, change := range wrong {
		stranger := connect(protocol, change)
		refused("WRONGPASS", stranger.Ping(ctx).Err())
		stranger.Close()
	}
	named := connect(protocol, func(options *redis.Options) { options.ClientName, options.PoolSize = "me", 1 })
	defer named.Close()
	same("PONG", value(named.Ping(ctx).Result()))
	same("me", value(named.ClientGetName(ctx).Result()))
	same(os.Getenv("REDIS_USER"), value(named.Do(ctx, "ACL", "WHOAMI").Result()))
}

func reconnect(c *redis.Client, protocol int) {
	same("OK", value(c.Set(ctx, "go:kept", 1, 0).Result()))
	// Whoever runs this starts the server again once it has ended.
	direct := connect(protocol, func(options *redis.Options) {
		options.Addr = "127.0.0.1:" + os.Getenv("REDIS_SERVER_PORT")
		options.MaxRetries = -1
	})
	defer direct.Close()
	direct.Do(ctx, "SHUTDOWN", "NOSAVE", "NOW", "FORCE")
	deadline := time.Now().Add(15 * time.Second)
	for err := error(redis.Nil); err != nil; {
		if err = c.Set(ctx, "go:back", 1, 0).Err(); err != nil {
			must(time.Now().Before(deadline), "the server is back: "+err.Error())
			time.Sleep(50 * time.Millisecond)
		}
	}
	same(redis.Nil, c.Get(ctx, "go:kept").Err())
	same("1", value(c.Get(ctx, "go:back").Result()))
	pipe := c.TxPipeline()
	pipe.Incr(ctx, "go:t2")
	same(1, len(value(pipe.Exec(ctx))))
}

func connect(protocol int, change func(*redis.Options)) *redis.Client {
	options := &redis.Options{
		Addr:     os.Getenv("REDIS_HOST") + ":" + os.Getenv("REDIS_PORT"),
		Username: os.Getenv("REDIS_USER"),
		Password: os.Getenv("REDIS_PASSWORD"),
		Protocol: protocol,
		// A call ends when its context does.
		ContextTimeoutEnabled: true,
	}
	if change != nil {
		change(options)
	}
	return redis.NewClient(options)
}

func numbers(count int) []any {
	all := make([]any, count)
	for n := range all {
		all[n] = n
	}
	return all
}

func value[T any](got T, err error) T {
	if err != nil {
		panic(err)
	}
	return got
}

func refused(text string, err error) {
	must(err != nil && strings.Contains(err.Error(), text), fmt.Sprintf("%q in %v", text, err))
}

func same(want, got any) {
	must(reflect.DeepEqual(want, got), fmt.Sprintf("wanted %v, got %v", want, got))
}

func must(holds bool, what string) {
	if !holds {
		panic("not so: " + what)
	}
}
