-- What a provider calls our messages, where he does not echo our own ids.
--   T:mid:<acct>:<day>   hash    name -> conv.n|last digits of the citizen's number|names of that message; #conv.n -> how many of
--                                those were delivered. Of the day it was learned; gone eight days later
--   T:early:<acct>       hash    name -> ms|state|reason|numbers: receipts that came before the name was known, for a minute

local EARLY_MS = 60000
local MOST_EARLY = 10000

-- A receipt of one name: of a message with several, delivered counts when all are. False: nobody knows the name.
local function heard(T, now, account, name, state, reason, numbers)
  local today, found, key = math.floor(now / 86400000), nil, nil
  for day = today, today - 7, -1 do
    key = T .. ':mid:' .. account .. ':' .. int(day)
    found = call('HGET', key, name)
    if found then break end
  end
  if not found then return false end
  local conv, n, to, of = string.match(found, '^(.+)%.(%d+)|([^|]*)|(%d+)$')
  if to ~= '' and numbers ~= '' and not string.find(numbers, to .. ' ', 1, true) then return false end
  local final = state == 'd' or state == 'f' or state == 'x'
  if final then call('HDEL', key, name) end
  if state == 'd' and of ~= '1' and call('HINCRBY', key, '#' .. conv .. '.' .. n, 1) < tonumber(of) then return true end
  names.settle(T, now, account, conv, n, state, '', reason)
  return true
end

-- `lines`: for each name a line, name|last digits of the number. names.early: whether receipts wait for a name, once it was asked in
-- the present call; nothing in it adds one.
function names.learn(T, now, account, conv, n, lines)
  local key = T .. ':mid:' .. account .. ':' .. int(math.floor(now / 86400000))
  local _, of = string.gsub(lines, '\n', '')
  local early = T .. ':early:' .. account
  if names.early == nil then names.early = call('EXISTS', early) == 1 end
  local waiting = names.early
  for name, to in string.gmatch(lines, '\n([^\n]*)|([^|\n]*)') do
    call('HSET', key, name, conv .. '.' .. n .. '|' .. to .. '|' .. of)
    local at, state, reason, numbers
    if waiting then at, state, reason, numbers = string.match(call('HGET', early, name) or '', '^(%d+)|(.)|([^|]*)|(.*)$') end
    if at then
      call('HDEL', early, name)
      if now - tonumber(at) < EARLY_MS then heard(T, now, account, name, state, reason, numbers) end
    end
  end
  end_after_a_week(now, key)
end

-- receipts(now, account, then name, state, reason, numbers, suspect for each) -> ok, then 1 (known) or 0 for each
--   numbers: both of the receipt, each ended by a blank, or ''.  suspect: conv.n or ''.
local function receipts(keys, a)
  local T, now = keys[1], now_of(a[1])
  local account, out = a[2], {'ok'}
  for i = 3, #a, 5 do
    local name, state, reason, numbers, suspect = a[i], a[i + 1], a[i + 2], a[i + 3], a[i + 4]
    local known = heard(T, now, account, name, state, reason, numbers)
    if not known and suspect ~= '' then
      local conv, n = string.match(suspect, '^(.+)%.(%d+)$')
      if byte_of(T, conv, n) == 'u' then
        names.settle(T, now, account, conv, n, state, '', reason)
        known = true
      end
    end
    if not known and state ~= 's' then
      local early = T .. ':early:' .. account
      if call('HLEN', early) >= MOST_EARLY then call('DEL', early) end
      call('HSET', early, name, clock .. '|' .. state .. '|' .. string.gsub(reason, '|', '/') .. '|' .. numbers)
      call('PEXPIRE', early, EARLY_MS)
    end
    out[#out + 1] = known and 1 or 0
  end
  return out
end

redis.register_function{function_name = 'receipts_' .. VERSION, callback = receipts, flags = {'allow-oom'}}
