-- Arguments: the fields of a state, and its definition. A key for the state.
local key, fields, definition = KEYS[OWN + 1], arguments[1], arguments[2]
if call('EXISTS', key) == 0 then
  call('HSET', key, unpack(fields))
  call('HSET', key, unpack(parts_of(definition)))
end
return cjson.encode({ NOW })
