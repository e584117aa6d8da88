// A peer for the benchmark: what one would write in Go with fasthttp and redigo. HINCRBY for each request, answered
// after Redis has answered.
package main

import (
	"flag"
	"fmt"
	"log"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/valyala/fasthttp"
)

func main() {
	port := flag.Int("port", 8081, "where to listen")
	address := flag.String("redis", "127.0.0.1:6379", "Redis")
	flag.Parse()

	pool := &redis.Pool{
		MaxIdle:     128,
		MaxActive:   128,
		Wait:        true,
		IdleTimeout: time.Minute,
		Dial:        func() (redis.Conn, error) { return redis.Dial("tcp", *address) },
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
		connection := pool.Get()
		_, err := connection.Do("HINCRBY", "go:live", field, 1)
		connection.Close()
		if err != nil {
			ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
			return
		}
		ctx.SetContentType("application/json")
		ctx.SetBody(counted)
	}
	server := &fasthttp.Server{Handler: handler, Name: "peer"}
	log.Fatal(server.ListenAndServe(fmt.Sprintf("127.0.0.1:%d", *port)))
}
