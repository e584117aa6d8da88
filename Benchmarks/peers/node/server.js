// A peer for the benchmark: the service as its predecessor did it. INCR for each request, answered after Redis has;
// `flush` copies the counters to MongoDB one by one: KEYS, then GET, updateOne, DEL.
'use strict'
const express = require('express')
const redis = require('redis')

const argument = (name, standard) => {
  const index = process.argv.indexOf('--' + name)
  return index < 0 ? standard : process.argv[index + 1]
}
const redisURL = argument('redis', 'redis://127.0.0.1:6379')

async function connectRedis () {
  const client = redis.createClient({ url: redisURL })
  if (client.connect) await client.connect()
  return client
}

async function serve () {
  const client = await connectRedis()
  const app = express()
  app.get('/track', async (request, response) => {
    const { clientName, testID, variation } = request.query
    if (!clientName || !testID || !variation) return response.status(400).json({ error: 'a parameter is missing' })
    await client.incr(`count:${clientName}:${testID}:${variation}`)
    response.json({ status: 'counted' })
  })
  app.listen(Number(argument('port', '8083')), '127.0.0.1')
}

async function flush () {
  const { MongoClient } = require('mongodb')
  const client = await connectRedis()
  const mongo = new MongoClient(argument('mongodb', 'mongodb://127.0.0.1:27017'))
  await mongo.connect()
  const database = mongo.db('node')
  const began = process.hrtime.bigint()
  let moved = 0
  for (const key of await client.keys('count:*')) {
    const [, clientName, testID, variation] = key.split(':')
    const count = Number(await client.get(key))
    await database.collection(clientName).updateOne(
      { _id: testID }, { $inc: { [`variations.${variation}`]: count, total: count } }, { upsert: true })
    await client.del(key)
    moved += 1
  }
  console.log(JSON.stringify({ counters: moved, milliseconds: Number(process.hrtime.bigint() - began) / 1e6 }))
  await mongo.close()
  await client.quit()
}

(process.argv.includes('flush') ? flush() : serve()).catch(error => { console.error(error); process.exit(1) })
