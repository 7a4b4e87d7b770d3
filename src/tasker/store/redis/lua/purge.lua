-- Arguments: before which instant a registration is old, how many go at most. A key for each row, and one for its history
-- behind it.
local before, left = arguments[1], arguments[2]
local gone = {}
for i = 1, (#KEYS - OWN) / 2 do
  local key, history = KEYS[OWN + 2 * i - 1], KEYS[OWN + 2 * i]
  local row = load(key)
  if row and #gone < left and row.v <= FORMAT and (row.g or 0) < before and not is_held(row) then
    call('DEL', key, history)
    call('ZREM', IDS, id_of(key))
    call('ZREM', RUNG, id_of(key))
    gone[#gone + 1] = i
  end
end
return cjson.encode({ NOW, gone })
