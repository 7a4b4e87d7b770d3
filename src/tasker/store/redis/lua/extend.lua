-- Arguments: owner, ttl, and for each lock the token. A key for each lock.
local owner, ttl, tokens = unpack(arguments)
local kept = {}
for i, token in ipairs(tokens) do
  local lock = call('HMGET', KEYS[OWN + i], 't', 'o')
  if lock[1] == token and lock[2] == owner then
    kept[#kept + 1] = i
  end
end
for _, i in ipairs(kept) do
  call('HSET', KEYS[OWN + i], 'u', text(now + ttl))
end
return cjson.encode({ NOW, kept })
