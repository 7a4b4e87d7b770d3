-- Arguments: the owners.
local known = {}
for _, owner in ipairs(arguments) do
  if call('HDEL', INSTANCES, owner) == 1 then
    known[#known + 1] = owner
  end
end
return cjson.encode({ NOW, known })
