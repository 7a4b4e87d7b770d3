-- Arguments: owner, ttl, capacity; for each row the proposed slot, and the end that it was computed from, or false.
-- A key for each row, and one for its history behind it.
local owner, ttl, capacity, slots, bases = unpack(arguments)
local quiet = quiet_until(ttl)
local lease_until = text(now + ttl)
local grants, refused, given = {}, {}, {}

local function is_claimable(row, slot, base)
  if row.v > FORMAT or is_held(row) then
    return false
  end
  if row.q or row.m == 1 then
    return true
  end
  if row.p then
    return false
  end
  if row.s then
    return true
  end
  slot = tonumber(slot)
  return row.d < slot and slot <= now and (not base or base == row.e)
end

local function give(i, row, flat)
  local dead = row.o and attempt_of(row, 'lease_lost')
  local slot, manual, attempt, delete = slots[i], false, '1', {}
  if row.s then
    slot, manual, attempt = text(row.s), row.m == 1, text((row.a or 0) + 1)
  elseif row.q then
    slot, manual, delete[1] = text(row.q), true, 'q'
  end
  if row.m and not manual then
    delete[#delete + 1] = 'm'
  end
  local token = (row.t or 0) < now and NOW or text(row.t + 1)
  local set = { 't', token, 'o', owner, 'u', lease_until, 's', slot, 'a', attempt, 'b', NOW }
  if manual then
    append(set, 'm', '1')
  end
  if dead then
    append(set, 'n', text((row.n or 0) + 1), 'f', text((row.f or 0) + 1), 'r', 'lease_lost')
  end
  given[#given + 1] = { i, set, delete, dead }
  grants[#grants + 1] = { i, token, slot, manual, attempt, flat }
end

for i = 1, #slots do
  local row, flat = load(KEYS[OWN + 2 * i - 1])
  if row then
    if not quiet and #grants < capacity and is_claimable(row, slots[i], bases[i]) then
      give(i, row, flat)
    else
      refused[#refused + 1] = { i, flat }
    end
  end
end

for _, each in ipairs(given) do
  local i, set, delete, dead = unpack(each)
  change(KEYS[OWN + 2 * i - 1], set, delete)
  if dead then
    record(KEYS[OWN + 2 * i], { dead })
  end
end
return cjson.encode({ NOW, grants, refused, quiet and text(quiet) })
