-- Arguments: the fields of a state, its definition, and its token. A key for the state.
local key, fields, definition, token = KEYS[OWN + 1], arguments[1], arguments[2], arguments[3]
local row, flat = load(key)
if row and row.v > FORMAT then
  return cjson.encode({ NOW, 'newer', flat })
end
if row and (row.t or 0) > tonumber(token) then
  return cjson.encode({ NOW, 'stale', text(row.t) })
end

local set, names, delete = parts_of(definition), {}, {}
for _, each in ipairs(fields) do
  set[#set + 1] = each
end
for i = 1, #set, 2 do
  names[set[i]] = true
end
for name in pairs(row or {}) do
  if not names[name] then
    delete[#delete + 1] = name
  end
end
change(key, set, delete)
return cjson.encode({ NOW, 'stored' })
