-- Arguments: owner, name, version. An instance is a JSON list: name, version, started, seen, whether it drains.
local owner, name, version = unpack(arguments)
local found = call('HGET', INSTANCES, owner)
local is_json, known = pcall(cjson.decode, found or '')
local started, draining = NOW, false
if is_json and type(known) == 'table' then
  started, draining = known[3], known[5]
end
call('HSET', INSTANCES, owner, cjson.encode({ name, version, started, NOW, draining }))
return cjson.encode({ NOW, draining })
