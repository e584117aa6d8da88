-- Forgets an entry of the pending list that the store has finished, and with it the batch that it names.
-- Does nothing where the entry is not pending, so it may be said twice, and late. A torn seal that came back at a start
-- may have listed an entry twice: all of them go, since what is left would name a batch that is not there.
--
-- Whoever holds the flush lock has come this far, and holds it for longer; somebody else's is left as it is.
--
-- KEYS[1] meta
-- ARGV    1 key base, 2 the entry, 3 who says so, 4 ms for which he may hold the lock from now on
-- Returns 1 if it was pending, else 0
if redis.call('GET', base .. 'flush-lock') == ARGV[3] then
  redis.call('PEXPIRE', base .. 'flush-lock', ARGV[4])
end
if redis.call('LREM', base .. 'pending', 0, ARGV[2]) == 0 then
  return 0
end
if string.sub(ARGV[2], 1, 6) == 'batch:' then
  redis.call('UNLINK', base .. ARGV[2])
end
return 1
