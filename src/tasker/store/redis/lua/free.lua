-- Arguments: owner, how long the last token is remembered (ms), and for each lock the token. A key for each lock.
--
-- A free lock needs no memory for ever: a token is never lower than the clock, so one that is forgotten is outgrown.
-- A lock that is held has no date of expiry, so that no server evicts it.
local owner, remembered, tokens = unpack(arguments)
local freed = {}
for i, token in ipairs(tokens) do
  local key = KEYS[OWN + i]
  local lock = call('HMGET', key, 't', 'o')
  if lock[1] == token and lock[2] == owner then
    call('HDEL', key, 'o', 'u')
    call('PEXPIRE', key, remembered)
    freed[#freed + 1] = i
  end
end
return cjson.encode({ NOW, freed })
