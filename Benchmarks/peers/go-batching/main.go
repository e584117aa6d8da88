// A peer for the benchmark: the same batching as tally's, in Go. What arrives while Redis works on one batch becomes the
// next one, equal counters as one field; a script applies it, and every request is answered after that.
package main

import (
	"flag"
	"fmt"
	"log"
	"sync"

	"github.com/gomodule/redigo/redis"
	"github.com/valyala/fasthttp"
)

var apply = redis.NewScript(1, `
local fields = {}
for i = 1, #ARGV, 2 do fields[#fields + 1] = ARGV[i] end
local values = redis.call('HMGET', KEYS[1], unpack(fields))
local writes = {}
for i = 1, #fields do
  writes[2 * i - 1] = fields[i]
  writes[2 * i] = string.format('%.0f', tonumber(values[i] or '0') + tonumber(ARGV[2 * i]))
end
redis.call('HSET', KEYS[1], unpack(writes))
return ''
`)

// batch gathers the counts of many requests; done is closed when Redis has them.
type batch struct {
	counts map[string]int64
	done   chan struct{}
	failed error
}

func newBatch() *batch { return &batch{counts: make(map[string]int64, 64), done: make(chan struct{})} }

// lane has one batch under way and one that gathers.
type lane struct {
	mutex     sync.Mutex
	gathering *batch
	wake      chan struct{}
}

func (l *lane) add(field []byte) *batch {
	l.mutex.Lock()
	current := l.gathering
	current.counts[string(field)]++
	l.mutex.Unlock()
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return current
}

func (l *lane) run(connection redis.Conn) {
	arguments := make([]interface{}, 0, 256)
	for range l.wake {
		l.mutex.Lock()
		current := l.gathering
		if len(current.counts) == 0 {
			l.mutex.Unlock()
			continue
		}
		l.gathering = newBatch()
		l.mutex.Unlock()
		arguments = append(arguments[:0], "go:batched")
		for field, count := range current.counts {
			arguments = append(arguments, field, count)
		}
		_, current.failed = apply.Do(connection, arguments...)
		close(current.done)
	}
}

func main() {
	port := flag.Int("port", 8082, "where to listen")
	address := flag.String("redis", "127.0.0.1:6379", "Redis")
	lanes := flag.Int("lanes", 2, "lanes to Redis")
	flag.Parse()

	all := make([]*lane, *lanes)
	for i := range all {
		connection, err := redis.Dial("tcp", *address)
		if err != nil {
			log.Fatal(err)
		}
		all[i] = &lane{gathering: newBatch(), wake: make(chan struct{}, 1)}
		go all[i].run(connection)
	}
	counted := []byte(`{"status":"counted"}`)
	handler := func(ctx *fasthttp.RequestCtx) {
		if string(ctx.Path()) != "/track" {
			ctx.SetStatusCode(fasthttp.StatusNotFound)
			return
		}
		arguments := ctx.QueryArgs()
		client, test, variation := arguments.Peek("clientName"), arguments.Peek("testID"), arguments.Peek("variation")
		if len(client) == 0 || len(test) == 0 || len(variation) == 0 {
			ctx.SetStatusCode(fasthttp.StatusBadRequest)
			return
		}
		field := make([]byte, 0, len(client)+len(test)+len(variation)+2)
		field = append(append(append(append(append(field, client...), '\t'), test...), '\t'), variation...)
		current := all[int(ctx.ConnID())%len(all)].add(field)
		<-current.done
		if current.failed != nil {
			ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
			return
		}
		ctx.SetContentType("application/json")
		ctx.SetBody(counted)
	}
	server := &fasthttp.Server{Handler: handler, Name: "peer"}
	log.Fatal(server.ListenAndServe(fmt.Sprintf("127.0.0.1:%d", *port)))
}
