-- Takes the lock of the flush where nobody has it. A script, since a full Redis refuses SET, and it is the flush that makes
-- room.
--
-- KEYS[1] meta
-- ARGV    1 key base, 2 who takes it, 3 for how many milliseconds
-- Returns 1 if it was taken, else 0
if redis.call('EXISTS', base .. 'flush-lock') == 1 then
  return 0
end
writeWhereFull()
redis.call('SET', base .. 'flush-lock', ARGV[2], 'PX', ARGV[3])
return 1
