-- Said first on every connection. Guarantees that a Redis that may have forgotten something counts under a new epoch.
--
-- run_id changes with every start of the server, master_replid with every promotion. Where either is not the stored
-- one, what is in memory may be older than what was acknowledged: batch numbers would repeat and mean something else.
-- So the live hash is sealed under the old epoch (what of it the store has already is then skipped there), the old
-- epoch is closed, and a new one starts at 0.
--
-- KEYS[1] meta
-- ARGV    1 key base, 2 epoch to take if a new one is due, 3 owner: the store that these counts go to
-- Returns {epoch, "kept" | "first" | "changed"}
local stored = redis.call('HMGET', meta, 'epoch', 'run_id', 'replid', 'owner', 'sequence', 'accepted')
if stored[4] and stored[4] ~= ARGV[3] then
  return redis.error_reply('TALLYOWNED ' .. stored[4])
end
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local replid = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
if stored[1] and stored[2] == run_id and stored[3] == replid then
  return {stored[1], 'kept'}
end
if stored[1] then
  local sealed = seal(redis.call('TIME')[1])
  if sealed or stored[5] ~= '0' then
    redis.call('RPUSH', base .. 'pending', 'closed:' .. stored[1])
    redis.call('RPUSH', base .. 'epochs', stored[1] .. ' ' .. (stored[6] or '0'))
    redis.call('LTRIM', base .. 'epochs', -100, -1)
  end
end
redis.call('HSET', meta, 'epoch', ARGV[2], 'sequence', '0', 'run_id', run_id, 'replid', replid, 'owner', ARGV[3],
  'accepted', '0')
return {ARGV[2], stored[1] and 'changed' or 'first'}
