-- Shared by the scripts that seal. Stands in front of each of them when it is loaded.
--
-- Keys, all under the one hash tag {prefix}, so that a script and a RENAMENX work on a cluster:
--   meta                  hash: epoch, sequence (number of the last sealed batch), run_id, replid, owner, accepted
--                         (everything counted in this epoch, for the audit), rewrite, looked (the tenth of a second, since
--                         1970, in which track.lua last looked whose data this is)
--   live                  hash: what is being counted. A field with tabs is a counter (client, test, variation,
--                         event); `hour` and `total` describe it
--   batch:<epoch>:<n>     hash: a sealed batch, as live was, with `sealed_at`
--   pending               list: `batch:<epoch>:<n>` and `closed:<epoch>`, in the order the store must see them
--   flush-lock            string: who flushes just now; expires
--   epochs                list: `<epoch> <accepted>` of the last 100 epochs that ended, oldest first
--   lane:<epoch>:<id>     string: number of the lane's last batch, a space, its verdicts
--   clients               set: names of clients
--   names:<client>        hash: the names that count towards the bounds
--   seen:<0 to 5>         sets: event IDs that are remembered, as `client TAB ID`; each expires as a whole
local base = ARGV[1]
local meta = KEYS[1]

-- This server's run_id and master_replid. The first changes with every start, the second whenever other data may have
-- come in: with a promotion, or when a server that followed another one is on its own again.
local function identity()
  return string.match(redis.call('INFO', 'server'), 'run_id:(%x+)'),
    string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
end

-- Lets the writes that follow in this script through in a Redis that is full (maxmemory). Redis refuses a write that may
-- take memory only while a script has written nothing; after that it would be half done. So one that takes none goes
-- first: `looked` is a note that is made again.
local function writeWhereFull()
  redis.call('HDEL', meta, 'looked')
end

-- Closes the live hash under the epoch's next number. The rename, the entry in the list and the number are one
-- transaction, since a script is. Nothing counted, nothing sealed.
local function seal(now)
  if redis.call('EXISTS', base .. 'live') == 0 then
    return false
  end
  local state = redis.call('HMGET', meta, 'epoch', 'sequence')
  local number = string.format('%.0f', tonumber(state[2]) + 1)
  local id = 'batch:' .. state[1] .. ':' .. number
  if redis.call('EXISTS', base .. id) == 1 then
    error('TALLYMALFORMED ' .. base .. id .. ' exists already')
  end
  redis.call('RENAMENX', base .. 'live', base .. id)
  redis.call('HSET', base .. id, 'sealed_at', now)
  redis.call('RPUSH', base .. 'pending', id)
  redis.call('HSET', meta, 'sequence', number)
  return true
end
