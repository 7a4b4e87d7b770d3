-- What every script begins with.
--
-- KEYS: the five of the store, then for each id its row, and in some scripts its history behind it.
-- ARGV: the run id of the server, the birth of the store, the arguments as JSON, and the channel to tell, if there is one.
--
-- A script reads and decides first, and writes after that. The server refuses a write for want of memory, disk or
-- replicas only as long as the script has written nothing; so a script is done in whole or not at all, as long as
-- nothing in its second half can fail.

-- Before version 7 a server may be set to replicate the text of a script. A replica's clock would then decide anew.
if redis.replicate_commands then
  redis.replicate_commands()
end

local META, BELL, RUNG, IDS, INSTANCES = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local OWN = 5

local FORMAT = 1
local UNREADABLE = 2147483647
local HISTORY_AT_MOST = 10000
-- A longer value would make the server keep the whole hash in a form five times as large.
local VALUE_AT_MOST = 64
local PARTS_AT_MOST = 32

-- Locals are found much faster than globals, and these are used for every field of every row.
local call, pcall_redis, tonumber, format = redis.call, redis.pcall, tonumber, string.format

-- Numbers are doubles: whole ones up to 2^53 are exact, and the plain tostring would cut them to 14 digits.
local function text(number)
  return format('%.0f', number)
end

local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2]
local NOW = text(now)

-- What this connection's server is, and which store it holds: if that has changed, everything must be looked at anew.
local birth = call('HMGET', META, 'run', 'made', 'since')
if birth[1] ~= ARGV[1] or birth[2] ~= ARGV[2] or not birth[3] then
  return false
end

local arguments = cjson.decode(ARGV[3])

-- Until the leases that may be forgotten have ended, nobody gets a new one.
local function quiet_until(ttl)
  local over = tonumber(birth[3]) + ttl
  return now < over and over
end

-- The fields of a row; what is absent is zero, false or unknown.
local NUMBERS = {
  v = true, -- format
  d = true, -- decided
  t = true, -- token
  k = true, -- token of the run that was recorded last by its holder
  u = true, -- lease_until
  s = true, -- slot
  m = true, -- manual, as 1
  a = true, -- attempt
  b = true, -- started
  e = true, -- ended
  w = true, -- last_success
  n = true, -- runs
  f = true, -- failures
  p = true, -- paused
  q = true, -- requested
  x = true, -- next_slot
  c = true, -- defined
  g = true, -- registered
}
-- Texts: o is the owner, r the last outcome, and l, l1, l2 … the parts of the definition.

local OUTCOMES = {
  succeeded = true,
  failed = true,
  timed_out = true,
  interrupted = true,
  lease_lost = true,
  skipped = true,
}

local function unreadable(what)
  return { v = UNREADABLE }, { '!', what }
end

-- Return the row at a key with its numbers as numbers, and as the flat list that the server holds; or nothing.
local function load(key)
  local flat = pcall_redis('HGETALL', key)
  if flat.err then
    return unreadable(flat.err)
  end
  if #flat == 0 then
    return nil
  end
  local row = {}
  for i = 1, #flat, 2 do
    local name, value = flat[i], flat[i + 1]
    if NUMBERS[name] then
      local number = tonumber(value)
      if not number or number % 1 ~= 0 then
        return unreadable(name .. '=' .. value)
      end
      value = number
    end
    row[name] = value
  end
  if not row.v or not row.d or (row.r and not OUTCOMES[row.r]) then
    return unreadable('v, d or r')
  end
  return row, flat
end

-- Return how the row at a key is now, for the reply.
local function shown(key)
  local _, flat = load(key)
  return flat
end

local function is_held(row)
  return row.u and row.u > now
end

local function is_holder(row, owner, token)
  return row.o == owner and row.t == tonumber(token) and row.v <= FORMAT
end

local function append(list, ...)
  for _, each in ipairs({ ... }) do
    list[#list + 1] = each
  end
  return list
end

-- Set some fields of a row, and delete others; the setting comes first, as a server without memory refuses only that.
local function change(key, set, delete)
  if #set > 0 then
    call('HSET', key, unpack(set))
  end
  if #delete > 0 then
    call('HDEL', key, unpack(delete))
  end
end

-- Write records to a history, the last one becoming the newest. What is not a history of ours is left alone.
local function record(key, records)
  local length = pcall_redis('LPUSH', key, unpack(records))
  if type(length) ~= 'number' then
    if string.find(length.err, 'WRONGTYPE', 1, true) then
      return
    end
    length = call('LPUSH', key, unpack(records)) -- which fails once more, and says so
  end
  if length > HISTORY_AT_MOST then
    call('LTRIM', key, 0, HISTORY_AT_MOST - 1)
  end
end

-- Return the record of an attempt: the fields of RunRecord but the id, as texts.
local function attempt_of(row, outcome, error, retries)
  return cjson.encode({
    NOW,
    text(row.s or row.d),
    outcome,
    false,
    '1',
    false,
    row.m == 1,
    row.a == 1 and '1' or text(row.a or 0),
    row.b and text(row.b) or false,
    row.o or false,
    text(row.t or 0),
    error or false,
    text(retries or 0),
  })
end

-- Return the record of slots that were passed over together.
local function passed_over(slot, over, count, reason)
  return cjson.encode({ NOW, slot, 'skipped', over, count, reason, false, '0', false, false, '0', false, '0' })
end

-- Return the fields of a definition; one that is longer than anybody reads is a single value all the same.
local function parts_of(definition)
  if #definition > PARTS_AT_MOST * VALUE_AT_MOST then
    return { 'l', definition }
  end
  local set = { 'l', string.sub(definition, 1, VALUE_AT_MOST) }
  for number = 1, math.ceil(#definition / VALUE_AT_MOST) - 1 do
    set[#set + 1] = 'l' .. number
    set[#set + 1] = string.sub(definition, number * VALUE_AT_MOST + 1, (number + 1) * VALUE_AT_MOST)
  end
  return set
end

-- Return the id whose row is at a key: what follows the prefix that all rows have, which ends like META but for 'meta'.
local function id_of(key)
  return string.sub(key, #META - 4 + #'s:' + 1)
end

local function epoch_of_bell()
  return tonumber(call('GET', BELL) or 0) or 0
end

-- Ring the bell, for the rows at these keys or for none. It grows with the clock, so also after it was lost.
local function ring(keys)
  local epoch = text(math.max(epoch_of_bell() + 1, now))
  call('SET', BELL, epoch)
  for _, key in ipairs(keys) do
    call('ZADD', RUNG, epoch, id_of(key))
  end
  if ARGV[4] then
    -- Where that is forbidden, those who listen see it when they poll.
    pcall_redis('PUBLISH', ARGV[4], epoch)
  end
end
