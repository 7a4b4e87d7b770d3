-- Arguments: for each row: through, next slot or false, and the range: slot, until, count or false, reason.
-- A key for each row, and one for its history behind it.
local moved = {}
for i, each in ipairs(arguments) do
  local row = load(KEYS[OWN + 2 * i - 1])
  if row and row.v <= FORMAT and not row.o and not row.s and tonumber(each[3]) > row.d then
    moved[#moved + 1] = i
  end
end
for _, i in ipairs(moved) do
  local through, next_slot, slot, over, count, reason = unpack(arguments[i])
  local set, delete = { 'd', through }, {}
  if next_slot then
    append(set, 'x', next_slot)
  else
    delete[#delete + 1] = 'x'
  end
  change(KEYS[OWN + 2 * i - 1], set, delete)
  record(KEYS[OWN + 2 * i], { passed_over(slot, over, count, reason) })
end
return cjson.encode({ NOW, moved })
