-- Look at which server this is and which store it holds, and remember it: return the birth of the store, and the instant
-- since when nothing can have been forgotten.
--
-- KEYS: the meta key, and one on which commands are tried. ARGV: the run id of the server, when that began (µs); the birth
-- of the store that the caller knew before, and when it last heard of that one, both empty if it knew none; the commands
-- to try, each with its arguments (see `_commands.py`).
--
-- Leases may be forgotten, while their holders still rely on them:
-- * by a server of another run id, since it has restarted from older data, or was a replica that lagged: until now;
-- * where nothing is known of the store, if the server has just begun, as it may have restarted with nothing: until then;
-- * where the caller knew a store of another birth, as that was deleted: until the caller last heard of it.

if redis.replicate_commands then
  redis.replicate_commands()
end

local function text(number)
  return string.format('%.0f', number)
end

-- Tell whether the user may call a command on a key, by calling it. Servers say it in one of two ways, and in other words
-- that the command does not exist, where an administrator has renamed it.
local function is_forbidden(command, ...)
  local answer = redis.pcall(command, KEYS[2], ...)
  local problem = type(answer) == 'table' and answer.err or ''
  return string.find(problem, "can't run this command", 1, true)
    or string.find(problem, 'no permissions to run', 1, true)
    or string.find(problem, 'nknown', 1, true)
end

local forbidden, may_delete = {}, true
for _, trial in ipairs(cjson.decode(ARGV[5])) do
  local command = trial[1]
  if (command ~= 'LPUSH' or may_delete) and is_forbidden(unpack(trial)) then
    forbidden[#forbidden + 1] = command
    may_delete = may_delete and command ~= 'DEL'
  end
end
if may_delete then
  redis.pcall('DEL', KEYS[2])
end
if #forbidden > 0 then
  return { 'forbidden', unpack(forbidden) }
end

local FORMAT = 1
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local run, began, known, heard = ARGV[1], tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local meta = redis.call('HMGET', KEYS[1], 'run', 'made', 'since', 'format')
local made, since, format = meta[2], tonumber(meta[3]), tonumber(meta[4])

if format and format > FORMAT then
  return { text(format) }
end
if not made or not since then
  made, since, meta[1] = text(now), math.min(began, now), run
elseif meta[1] ~= run then
  since = now
end
if heard and known ~= made and heard > since then
  since = math.min(heard, now)
end
if meta[1] ~= run or meta[2] ~= made or tonumber(meta[3]) ~= since then
  redis.call('HSET', KEYS[1], 'run', run, 'made', made, 'since', text(since), 'format', FORMAT)
end
return { text(FORMAT), made, text(since) }
