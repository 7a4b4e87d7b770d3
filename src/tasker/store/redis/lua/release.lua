-- Arguments: owner, and for each row the token.
local owner, tokens = arguments[1], arguments[2]
local freed, keys = {}, {}

local rows = {}
for i, token in ipairs(tokens) do
  local row = load(KEYS[OWN + i])
  if row and is_holder(row, owner, token) then
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
  if attempt == 0 and row.m ~= 1 and (not row.s or row.s > row.d) then
    change(KEYS[OWN + i], {}, { 'o', 'u', 'b', 's', 'a', 'm' })
  else
    change(KEYS[OWN + i], { 'a', text(attempt) }, { 'o', 'u', 'b' })
  end
end
return cjson.encode({ NOW, freed })
