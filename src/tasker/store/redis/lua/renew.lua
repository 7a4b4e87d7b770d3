-- Arguments: owner, ttl, and for each row the token.
local owner, ttl, tokens = unpack(arguments)
local kept = {}
for i, token in ipairs(tokens) do
  local row = load(KEYS[OWN + i])
  if row and is_holder(row, owner, token) then
    kept[#kept + 1] = i
  end
end
for _, i in ipairs(kept) do
  call('HSET', KEYS[OWN + i], 'u', text(now + ttl))
end
return cjson.encode({ NOW, kept })
