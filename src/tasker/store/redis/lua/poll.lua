-- Arguments: the epoch seen. Reply: the newest epoch, the ids rung since, and the epoch after which to ask for more of
-- them, or false. All ids of one epoch come together.
local AT_MOST = 4000
local found = call('ZRANGEBYSCORE', RUNG, '(' .. arguments[1], '+inf', 'WITHSCORES', 'LIMIT', 0, AT_MOST)
local ids, last = {}, false
for i = 1, #found, 2 do
  ids[#ids + 1] = found[i]
end
if #ids == AT_MOST then
  last = found[#found]
  for _, id in ipairs(call('ZRANGEBYSCORE', RUNG, last, last)) do
    ids[#ids + 1] = id
  end
end
return cjson.encode({ NOW, text(epoch_of_bell()), ids, last })
