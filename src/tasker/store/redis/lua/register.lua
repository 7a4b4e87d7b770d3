-- Arguments: for each row the definition and the next slot; how old a registration must be to be written again.
local definitions, anew_after = arguments[1], arguments[2]

local function definition_of(row)
  local parts = { row.l or '' }
  while row['l' .. #parts] do
    parts[#parts + 1] = row['l' .. #parts]
  end
  return table.concat(parts), #parts
end

local function define(key, row, definition, next_slot)
  local set, delete = parts_of(definition), {}
  local _, count = definition_of(row)
  for number = #set / 2, count - 1 do
    delete[#delete + 1] = 'l' .. number
  end
  if next_slot then
    append(set, 'x', next_slot)
  else
    delete[#delete + 1] = 'x'
  end
  change(key, append(set, 'c', NOW, 'g', NOW), delete)
end

local replies = {}
for i, wanted in ipairs(definitions) do
  local key = KEYS[OWN + i]
  local row, flat = load(key)
  if not row then
    call('ZADD', IDS, 0, id_of(key))
    define(key, {}, wanted[1], wanted[2])
    call('HSET', key, 'v', FORMAT, 'd', NOW)
    flat = shown(key)
  elseif row.v <= FORMAT and definition_of(row) ~= wanted[1] then
    define(key, row, wanted[1], wanted[2])
    flat = shown(key)
  elseif row.v <= FORMAT and (row.g or 0) < now - anew_after then
    call('HSET', key, 'g', NOW)
    flat = shown(key)
  end
  replies[i] = flat
end
return cjson.encode({ NOW, text(epoch_of_bell()), replies })
