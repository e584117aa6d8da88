-- Seals what was counted so far, for the flush. Guarantees that every count is in exactly one batch.
--
-- KEYS[1] meta
-- ARGV    1 key base
-- Returns 1 if there was anything to seal, else 0; TALLYSTALE where the data set was exchanged under a standing
-- connection: then hello ends the epoch, and seals
local stored = redis.call('HMGET', meta, 'run_id', 'replid')
local run_id, replid = identity()
if stored[1] ~= run_id or stored[2] ~= replid then
  return redis.error_reply('TALLYSTALE this is another data set')
end
if seal(redis.call('TIME')[1]) then
  return 1
end
return 0
