-- What was accepted and what of it still waits, all of one moment, for the audit. Changes nothing.
--
-- KEYS[1] meta
-- ARGV    1 key base
-- Returns {epoch, sequence, accepted, total of the live hash, {batch, total, batch, total, ...} of the pending list,
--          {"<epoch> <accepted>", ...} of the epochs that ended}; a total is empty where its batch is missing
local state = redis.call('HMGET', meta, 'epoch', 'sequence', 'accepted')
local waiting = {}
for _, entry in ipairs(redis.call('LRANGE', base .. 'pending', 0, -1)) do
  if string.sub(entry, 1, 6) == 'batch:' then
    waiting[#waiting + 1] = entry
    waiting[#waiting + 1] = redis.call('HGET', base .. entry, 'total') or ''
  end
end
return {
  state[1], state[2], state[3] or '0', redis.call('HGET', base .. 'live', 'total') or '0', waiting,
  redis.call('LRANGE', base .. 'epochs', 0, -1)
}
