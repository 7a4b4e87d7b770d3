-- Arguments: owner, ttl. A key for each lock.
local owner, ttl = arguments[1], arguments[2]
local quiet = quiet_until(ttl)
local grants = {}
for i = 1, #KEYS - OWN do
  local lock = call('HMGET', KEYS[OWN + i], 't', 'o', 'u')
  local until_when = tonumber(lock[3] or 0)
  if not quiet and (not lock[2] or until_when <= now) then
    grants[#grants + 1] = { i, text(math.max(tonumber(lock[1] or 0) + 1, now)) }
  end
end
for _, grant in ipairs(grants) do
  local key = KEYS[OWN + grant[1]]
  call('HSET', key, 't', grant[2], 'o', owner, 'u', text(now + ttl))
  call('PERSIST', key)
end
return cjson.encode({ NOW, grants, quiet and text(quiet) })
