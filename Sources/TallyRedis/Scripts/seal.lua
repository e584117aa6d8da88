-- Seals what was counted so far, for the flush. Guarantees that every count is in exactly one batch.
--
-- KEYS[1] meta
-- ARGV    1 key base
-- Returns 1 if there was anything to seal, else 0
if seal(redis.call('TIME')[1]) then
  return 1
end
return 0
