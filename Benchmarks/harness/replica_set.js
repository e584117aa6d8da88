// Makes a replica set of one member out of the mongod at a port, and returns once it takes writes.
// Usage: node replica_set.js PORT
'use strict'
const { MongoClient } = require('mongodb')
const address = `127.0.0.1:${process.argv[2]}`

async function initiate () {
  const client = new MongoClient(`mongodb://${address}/?directConnection=true`, { useUnifiedTopology: true })
  await client.connect()
  const admin = client.db('admin')
  await admin.command({ replSetInitiate: { _id: 'rs0', members: [{ _id: 0, host: address }] } })
  while (!(await admin.command({ hello: 1 })).isWritablePrimary) await new Promise(resolve => setTimeout(resolve, 20))
  await client.close()
}

initiate().catch(error => { console.error(error); process.exit(1) })
