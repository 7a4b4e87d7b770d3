-- Arguments: how many records to keep, before which instant all go, how many go at most. A key for each history.
local keep, before, left = unpack(arguments)
local STEP = 100

-- Count the records at the old end that are older than `before`; they stand in the order in which they were written.
local function count_old(key, most)
  local old = 0
  while old < most do
    local found = call('LRANGE', key, -old - STEP, -old - 1)
    for i = #found, 1, -1 do
      local at = tonumber(string.match(found[i], '^%["(%-?%d+)"'))
      if at and at >= before then
        return old
      end
      old = old + 1
    end
    if #found < STEP then
      return old
    end
  end
  return old
end

local total = 0
for i = 1, #KEYS - OWN do
  local key = KEYS[OWN + i]
  local length = redis.pcall('LLEN', key)
  if type(length) == 'number' and length > 0 and left > 0 then
    local gone = math.min(left, math.max(length - keep, count_old(key, math.min(length, left))), length)
    if gone > 0 then
      call('LTRIM', key, 0, -gone - 1)
      left = left - gone
      total = total + gone
    end
  end
end
return cjson.encode({ NOW, total })
