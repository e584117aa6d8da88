-- Applies one batch of a lane. Guarantees:
--   * all of it at once, or none;
--   * once: a number that the lane has already applied gets the verdicts that it got, and changes nothing;
--   * under the epoch that the sender knows, or not at all; and not into a data set that was exchanged under a standing
--     connection, which nobody has greeted yet;
--   * a unit that would pass a bound is refused as a whole, its neighbours are counted;
--   * an entry with an event ID that is remembered is a duplicate, and not counted; that of a count is remembered with
--     it, for as long as the sender says and at most a quarter longer;
--   * the hour of a count is read from this server's clock, one clock for all instances.
-- Everything is checked before the first write, since a script does not roll back.
--
-- KEYS[1] meta
-- ARGV    1 key base, 2 epoch, 3 lane, 4 number, 5-8 bounds (clients, tests a client, variations a test, events a
--         test), 9 fields at which the live hash is sealed, 10 entries of each unit with commas between, or empty
--         for a plain batch: each unit has one entry, no two the same field, and none an ID; then field, count, field,
--         count, ...; where there are IDs, behind all that: ms for which they are remembered, how many may be, then
--         entry, ID, entry, ID, ...
-- Returns the verdicts: empty where everything is counted, else, with commas between, `unit letter entry` for each
--         refused unit, the letter being the bound: c, t, v, e, or i for IDs; and `unit d entry` for each duplicate
local FIRST = 11
local MOST = 4503599627370496  -- 2^52: far below where a Lua number stops being exact

local state = redis.call('HMGET', meta, 'epoch', 'replid', 'looked')
if state[1] ~= ARGV[2] then
  return redis.error_reply('TALLYSTALE this epoch is over')
end
local time = redis.call('TIME')
local now = time[1]
-- An older data set of the same epoch, taken over by replication, keeps connections and lanes, so its numbers would mean
-- two things. It shows in master_replid alone. Asking for that at every batch would cost more than counting it; but
-- when it was asked last lies in the data, and is older there than this moment.
local tenth = math.floor(now * 10 + time[2] / 100000)
local looks = state[3] ~= tostring(tenth)
if looks then
  local _, replid = identity()
  if state[2] ~= replid then
    return redis.error_reply('TALLYSTALE this is another data set')
  end
end
local lane = base .. 'lane:' .. ARGV[2] .. ':' .. ARGV[3]
local number = tonumber(ARGV[4])
local last = redis.call('GET', lane)
if last then
  local applied, verdicts = string.match(last, '^(%d+) (.*)$')
  applied = tonumber(applied)
  if applied == number then
    return verdicts
  end
  if applied + 1 ~= number then
    return redis.error_reply('TALLYGAP the lane is at ' .. applied)
  end
elseif number ~= 1 then
  return redis.error_reply('TALLYGAP the lane is not known')
end

local entries = (#ARGV - FIRST + 1) / 2
if ARGV[10] ~= '' then
  entries = 0
  for size in string.gmatch(ARGV[10], '%d+') do
    entries = entries + tonumber(size)
  end
end
local fields = {'hour', 'total'}
for i = 1, entries do
  fields[i + 2] = ARGV[FIRST + 2 * i - 2]
end
local hour = math.floor(now / 3600)
local live = base .. 'live'
local values = redis.call('HMGET', live, unpack(fields))
local total = tonumber(values[2] or 0)
local are_known = true
for i = 1, entries do
  if not values[i + 2] then
    are_known = false
    break
  end
end
if values[1] and (tonumber(values[1]) ~= hour or total >= MOST
    or not are_known and redis.call('HLEN', live) >= tonumber(ARGV[9])) then
  seal(now)
  values, total, are_known = {}, 0, false
end
local total_before = total

-- Numbers are handed to Redis as they are: it writes them with 17 digits, so whole numbers below 2^53 are exact.
if are_known and ARGV[10] == '' then
  -- What nearly every batch is: single counts, each of another counter, all of them counted in this hour before.
  local writes = {'hour', hour, 'total', total}
  for i = 1, entries do
    local count = tonumber(ARGV[FIRST + 2 * i - 1])
    total = total + count
    writes[2 * i + 3] = fields[i + 2]
    writes[2 * i + 4] = values[i + 2] + count
  end
  writes[4] = total
  redis.call('HSET', live, unpack(writes))
  redis.call('HINCRBY', meta, 'accepted', total - total_before)
  if looks then
    redis.call('HSET', meta, 'looked', tenth)
  end
  redis.call('SET', lane, ARGV[4] .. ' ', 'EX', 86400)
  return ''
end

-- Event IDs lie in sets of which one after the other takes new ones, for a quarter of the window each. A set expires
-- a window after its last ID, and so it is empty when its turn comes again. All sets are always looked at, so neither a
-- change of the window nor a clock that jumps makes an ID be forgotten early.
local SETS = 6
local GRACE = 10000  -- ms before it expires in which a set is over: long enough to be freed beside the main thread
local WINDOW = FIRST + 2 * entries
local has_ids = #ARGV > WINDOW
local ids, seen, new_ids, sets_over = {}, {}, {}, {}
local remembered, most_ids = 0, 0
if has_ids then
  most_ids = tonumber(ARGV[WINDOW + 1])
  local list = {}
  for i = WINDOW + 2, #ARGV, 2 do
    local entry = tonumber(ARGV[i]) + 1
    ids[entry] = string.match(fields[entry + 2], '^[^\t]+\t') .. ARGV[i + 1]
    list[#list + 1] = ids[entry]
  end
  for set = 0, SETS - 1 do
    local key = base .. 'seen:' .. set
    local left = redis.call('PTTL', key)
    if left >= 0 and left <= GRACE then
      sets_over[#sets_over + 1] = key
    elseif left ~= -2 then
      remembered = remembered + redis.call('SCARD', key)
      for i, is_member in ipairs(redis.call('SMISMEMBER', key, unpack(list))) do
        if is_member == 1 then
          seen[list[i]] = true
        end
      end
    end
  end
end

-- The names that count towards the bounds, read when first needed; what this batch adds is kept here until the end.
local known, added, new_clients = {}, {}, {}
local client_count
local undo

local function look(client, name)
  local names = known[client]
  if not names then
    names = {}
    known[client] = names
  end
  if names[name] == nil then
    names[name] = redis.call('HGET', base .. 'names:' .. client, name)
  end
  return names[name]
end

local function note(client, name, value)
  undo[#undo + 1] = {client, name, known[client][name]}
  known[client][name] = value
  added[client] = added[client] or {}
  added[client][name] = true
end

-- Says which bound a counter would pass, or nothing, and then its names are noted.
local function bound_passed(field)
  local client, test, variation, event = string.match(field, '^([^\t]+)\t([^\t]+)\t([^\t]+)\t([^\t]+)$')
  local v, e = 'v\t' .. test .. '\t' .. variation, 'e\t' .. test .. '\t' .. event
  local has_v, has_e = look(client, v), look(client, e)
  if has_v and has_e then
    return nil
  end
  local variations, events = 0, 0
  local sizes = look(client, 't\t' .. test)
  if sizes then
    variations, events = string.match(sizes, '^(%d+) (%d+)$')
    variations, events = tonumber(variations), tonumber(events)
  else
    local tests = look(client, 'tests')
    if not tests then
      client_count = client_count or redis.call('SCARD', base .. 'clients')
      if client_count >= tonumber(ARGV[5]) then
        return 'c'
      end
      client_count = client_count + 1
      new_clients[#new_clients + 1] = client
      tests = 0
    end
    if tonumber(tests) >= tonumber(ARGV[6]) then
      return 't'
    end
    note(client, 'tests', tostring(tests + 1))
  end
  if not has_v then
    if variations >= tonumber(ARGV[7]) then
      return 'v'
    end
    variations = variations + 1
    note(client, v, '')
  end
  if not has_e then
    if events >= tonumber(ARGV[8]) then
      return 'e'
    end
    events = events + 1
    note(client, e, '')
  end
  note(client, 't\t' .. test, variations .. ' ' .. events)
  return nil
end

local sums, listed, none = {}, {}, {}

-- Takes the entries from `first` to `past - 1` as one unit.
local function take(unit, first, past)
  undo = {}
  local clients_before, names_before, ids_before = client_count, #new_clients, #new_ids
  local duplicates = has_ids and {} or none
  for i = first, past - 1 do
    local id = ids[i]
    if id and seen[id] then
      duplicates[i] = true
    else
      local letter
      if id then
        seen[id] = true
        new_ids[#new_ids + 1] = id
        if remembered + #new_ids > most_ids then
          letter = 'i'
        end
      end
      if not letter and not values[i + 2] then
        letter = bound_passed(fields[i + 2])
      end
      if letter then
        for j = #undo, 1, -1 do
          known[undo[j][1]][undo[j][2]] = undo[j][3]
        end
        client_count = clients_before  -- nil where this unit was the first to ask: then it is read again
        for j = #new_clients, names_before + 1, -1 do
          new_clients[j] = nil
        end
        for j = #new_ids, ids_before + 1, -1 do
          seen[new_ids[j]] = nil
          new_ids[j] = nil
        end
        listed[#listed + 1] = unit .. letter .. (i - 1)
        return
      end
    end
  end
  for i = first, past - 1 do
    if duplicates[i] then
      listed[#listed + 1] = unit .. 'd' .. (i - 1)
    else
      local field, count = fields[i + 2], tonumber(ARGV[FIRST + 2 * i - 1])
      sums[field] = (sums[field] or tonumber(values[i + 2] or '0')) + count
      total = total + count
    end
  end
end

if ARGV[10] == '' then
  for i = 1, entries do
    take(i - 1, i, i + 1)
  end
else
  local unit, first = 0, 1
  for size in string.gmatch(ARGV[10], '%d+') do
    take(unit, first, first + tonumber(size))
    unit, first = unit + 1, first + tonumber(size)
  end
end

-- From here on there are only writes. Lua unpacks some 8,000 values at most, hence the pieces.
local function write_hash(key, pairs_flat)
  for first = 1, #pairs_flat, 2000 do
    redis.call('HSET', key, unpack(pairs_flat, first, math.min(first + 1999, #pairs_flat)))
  end
end
local writes = {'hour', hour, 'total', total}
for field, sum in pairs(sums) do
  writes[#writes + 1] = field
  writes[#writes + 1] = sum
end
if #writes > 4 then
  write_hash(live, writes)
  redis.call('HINCRBY', meta, 'accepted', total - total_before)
end
for client, names in pairs(added) do
  local cells = {}
  for name in pairs(names) do
    if known[client][name] then
      cells[#cells + 1] = name
      cells[#cells + 1] = known[client][name]
    end
  end
  write_hash(base .. 'names:' .. client, cells)
end
if #new_clients > 0 then
  redis.call('SADD', base .. 'clients', unpack(new_clients))
end
if #sets_over > 0 then
  redis.call('UNLINK', unpack(sets_over))
end
if #new_ids > 0 then
  local window = tonumber(ARGV[WINDOW])
  local key = base .. 'seen:' .. math.floor((now * 1000 + math.floor(time[2] / 1000)) / (window / 4)) % SETS
  redis.call('SADD', key, unpack(new_ids))
  -- Never less than before: another instance may remember for longer.
  if redis.call('PTTL', key) < window + GRACE then
    redis.call('PEXPIRE', key, window + GRACE)
  end
end
if looks then
  redis.call('HSET', meta, 'looked', tenth)
end
local verdicts = table.concat(listed, ',')
redis.call('SET', lane, ARGV[4] .. ' ' .. verdicts, 'EX', 86400)
return verdicts
