-- Arguments: owner, and for each row the tokens under which it runs here.
local owner, running = arguments[1], arguments[2]
local freed, keys = {}, {}

local function is_abandoned(row, tokens)
  if row.o ~= owner or row.v > FORMAT then
    return false
  end
  for _, token in ipairs(tokens) do
    if row.t == tonumber(token) then
      return false
    end
  end
  return true
end

local rows = {}
for i, tokens in ipairs(running) do
  local row = load(KEYS[OWN + i])
  if row and is_abandoned(row, tokens) then
    freed[#freed + 1] = i
    keys[#keys + 1] = KEYS[OWN + i]
    rows[i] = row
  end
end
-- First, as it is what a server without memory may refuse.
if #keys > 0 then
  ring(keys)
end
for _, i in ipairs(freed) do
  local row = rows[i]
  local attempt = (row.a or 0) - 1
  if attempt == 0 and row.m ~= 1 then
    change(KEYS[OWN + i], {}, { 'o', 'u', 'b', 's', 'a', 'm' })
  else
    change(KEYS[OWN + i], { 'a', text(attempt) }, { 'o', 'u', 'b' })
  end
end
return cjson.encode({ NOW, freed })
