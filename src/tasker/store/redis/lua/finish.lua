-- Arguments: owner, and for each row: token, outcome, through, next slot, error, retries, and the ranges that were passed
-- over, each as slot, until, count, reason. What there is none of is false.
-- A key for each row, and one for its history behind it.
local owner, endings = arguments[1], arguments[2]
local answers, mine, rings = {}, {}, {}

-- Tell whether this very ending was recorded by an earlier call, whose answer was lost. The outcome is compared, because
-- whoever took the row over has recorded the same token as lease_lost, and without an error, which a slot that is given
-- up has.
local function was_recorded(row, history, token, outcome, error)
  if row.k == tonumber(token) then
    return true
  end
  local records = redis.pcall('LRANGE', history, 0, -1)
  if records.err then
    return false
  end
  for _, each in ipairs(records) do
    if string.find(each, token, 1, true) then
      local is_json, found = pcall(cjson.decode, each)
      local is_same = is_json and found[11] == token and found[10] == owner and found[3] == outcome
      if is_same and (not found[12]) == (not error) then
        return true
      end
    end
  end
  return false
end

-- Return what is left of a range: if the schedule was resumed during the run, a pause has taken what was before.
local function undecided(range, decided)
  local slot, until_slot, _, reason = unpack(range)
  if reason ~= 'overlap' or tonumber(slot) > decided then
    return range
  end
  return tonumber(until_slot) > decided and { text(decided + 1), until_slot, false, reason } or nil
end

for i, ending in ipairs(endings) do
  local token, outcome, through = ending[1], ending[2], ending[3]
  local key = KEYS[OWN + 2 * i - 1]
  local row = load(key)
  if not row then
    answers[i] = 'lost'
  elseif is_holder(row, owner, token) then
    answers[i] = 'recorded'
    mine[#mine + 1] = { i, row }
    if not through or outcome == 'interrupted' then
      rings[#rings + 1] = key
    end
  else
    answers[i] = was_recorded(row, KEYS[OWN + 2 * i], token, outcome, ending[5]) and 'already' or 'lost'
  end
end

for _, each in ipairs(mine) do
  local i, row = unpack(each)
  local token, outcome, through, next_slot, error, retries, passed = unpack(endings[i])
  local set = { 'k', token, 'e', NOW, 'n', text((row.n or 0) + 1), 'r', outcome }
  local delete = { 'o', 'u' }
  local function put(name, value)
    if value then
      set[#set + 1], set[#set + 2] = name, value
    elseif row[name] then
      delete[#delete + 1] = name
    end
  end
  put('x', next_slot)
  if outcome == 'succeeded' then
    put('w', NOW)
    put('f', false)
  elseif outcome ~= 'interrupted' then
    put('f', text((row.f or 0) + 1))
  end
  if through then
    put('d', tonumber(through) > row.d and through or text(row.d))
    put('s', false)
    put('b', false)
    put('a', false)
    put('m', false)
  end
  change(KEYS[OWN + 2 * i - 1], set, delete)
  local records = { attempt_of(row, outcome, error, retries) }
  for _, range in ipairs(passed) do
    local left = undecided(range, row.d)
    if left then
      records[#records + 1] = passed_over(unpack(left))
    end
  end
  record(KEYS[OWN + 2 * i], records)
end
if #rings > 0 then
  ring(rings)
end
return cjson.encode({ NOW, answers })
