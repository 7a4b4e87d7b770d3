-- Arguments: the action. A key for each row, and one for its history behind it.
local action = arguments[1]
local known, keys, rows = {}, {}, {}
for i = 1, (#KEYS - OWN) / 2 do
  local key = KEYS[OWN + 2 * i - 1]
  local row = load(key)
  if row and row.v <= FORMAT then
    known[#known + 1] = i
    keys[#keys + 1] = key
    rows[i] = row
  end
end

-- A slot in the row keeps its own record to come, so the recorded range begins after it; a manual one is no slot of the
-- schedule.
local function resume(key, history, row)
  local last = row.d
  if row.s and row.m ~= 1 then
    last = math.max(row.d, row.s)
  end
  change(key, { 'd', text(math.max(row.d, now)) }, { 'p' })
  if last < now then
    record(history, { passed_over(text(last + 1), NOW, false, 'paused') })
  end
end

if #keys > 0 then
  ring(keys)
end
for _, i in ipairs(known) do
  local key, history, row = KEYS[OWN + 2 * i - 1], KEYS[OWN + 2 * i], rows[i]
  if action == 'pause' and not row.p then
    call('HSET', key, 'p', NOW)
  elseif action == 'trigger' and not row.q then
    call('HSET', key, 'q', NOW)
  elseif action == 'resume' and row.p then
    resume(key, history, row)
  end
end
return cjson.encode({ NOW, known })
