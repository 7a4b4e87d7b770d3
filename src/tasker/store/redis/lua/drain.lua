-- Arguments: whether to drain, and the owners.
local draining, owners = arguments[1], arguments[2]
local known, changed = {}, {}
for _, owner in ipairs(owners) do
  local found = call('HGET', INSTANCES, owner)
  local is_json, instance = pcall(cjson.decode, found or '')
  if is_json and type(instance) == 'table' then
    instance[5] = draining
    known[#known + 1] = owner
    changed[#changed + 1] = cjson.encode(instance)
  end
end
for i, owner in ipairs(known) do
  call('HSET', INSTANCES, owner, changed[i])
end
if #known > 0 then
  ring({})
end
return cjson.encode({ NOW, known })
