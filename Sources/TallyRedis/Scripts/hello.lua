-- Said first on every connection, and again where track.lua answers TALLYSTALE. Guarantees that a Redis that may have
-- forgotten something counts under a new epoch.
--
-- run_id changes with every start of the server, master_replid with every promotion. Where either is not the stored
-- one, what is in memory may be older than what was acknowledged: batch numbers would repeat and mean something else.
-- So the live hash is sealed under the old epoch (what of it the store has already is then skipped there), the old
-- epoch is closed, and a new one starts at 0.
--
-- After a change the append-only file has to be rewritten before anything is counted: a torn fragment at its end would
-- come back at the next start. `rewrite` says so until a connection has seen to it (AppendOnlyRewrite.swift).
--
-- KEYS[1] meta
-- ARGV    1 key base, 2 epoch to take if a new one is due, 3 owner: the store that these counts go to
-- Returns {epoch, "kept" | "first" | "changed", "1" where a rewrite is due, else ""}
local stored = redis.call('HMGET', meta, 'epoch', 'run_id', 'replid', 'owner', 'sequence', 'rewrite', 'accepted')
if stored[4] and stored[4] ~= ARGV[3] then
  return redis.error_reply('TALLYOWNED ' .. stored[4])
end
local run_id, replid = identity()
if stored[1] and stored[2] == run_id and stored[3] == replid then
  if not stored[4] then
    -- Taken from its owner by hand: the first that comes owns it now.
    redis.call('HSET', meta, 'owner', ARGV[3])
  end
  return {stored[1], 'kept', stored[6] or ''}
end
-- A full Redis must be flushed, and the flush says hello.
writeWhereFull()
if stored[1] then
  local sealed = seal(redis.call('TIME')[1])
  if sealed or stored[5] ~= '0' then
    redis.call('RPUSH', base .. 'pending', 'closed:' .. stored[1])
    redis.call('RPUSH', base .. 'epochs', stored[1] .. ' ' .. (stored[7] or '0'))
    redis.call('LTRIM', base .. 'epochs', -100, -1)
  end
end
redis.call('HSET', meta, 'epoch', ARGV[2], 'sequence', '0', 'run_id', run_id, 'replid', replid, 'owner', ARGV[3],
  'accepted', '0')
if not stored[1] then
  return {ARGV[2], 'first', ''}
end
redis.call('HSET', meta, 'rewrite', '1')
return {ARGV[2], 'changed', '1'}
