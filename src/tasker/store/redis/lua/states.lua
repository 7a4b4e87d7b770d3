-- A key for each row.
local rows = {}
for i = 1, #KEYS - OWN do
  local flat = shown(KEYS[OWN + i])
  if flat then
    rows[#rows + 1] = { i, flat }
  end
end
return cjson.encode({ NOW, rows })
