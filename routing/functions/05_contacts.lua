-- Citizens. A contact is whom an address leads to; contacts that turn out to be one person are merged: one is attached to the other,
-- and nothing is rewritten, so that parting them again leaves each with what was his.
--
--   T:contact:<id>   into the contact it is attached to, since when, jb by whom; said numbers that he says are his; fold when his
--                    identity key changed: what is older may be another person's
--   T:merged:<id>    set     the contacts attached to it
--   T:num:<+number>  set     the contacts that say it is theirs; numbers of addresses are found by the addresses
--   T:code:<id>      hash    a code that was sent to prove an address: code addr by left (tries) till; asked and hour bound how often

local GROUP = 50       -- contacts of one citizen, at most
local NUMBERS = 10     -- that he says are his, at most
local SAME = 20        -- others with the same number that are shown
local CODE_MS = 600000 -- a code may be sent back for so long
local HOUR_MS = 3600000

-- The contact that stands for all that are attached to it.
local function root_of(T, contact)
  for _ = 1, GROUP do
    local into = call('HGET', T .. ':contact:' .. contact, 'into')
    if not into then break end
    contact = into
  end
  return contact
end

-- The root first, then whom it has, each before his own.
local function group_of(T, root)
  local all, at = {root}, 1
  while at <= #all do
    local below = call('SMEMBERS', T .. ':merged:' .. all[at])
    table.sort(below, function(a, b) return tonumber(a) < tonumber(b) end)
    for _, each in ipairs(below) do all[#all + 1] = each end
    at = at + 1
  end
  return all
end

local function join(T, now, from, into, by)
  local a, b = root_of(T, from), root_of(T, into)
  if call('EXISTS', T .. ':contact:' .. a) == 0 or call('EXISTS', T .. ':contact:' .. b) == 0 then return {'missing'} end
  if a == b then return {'refused', 'same_contact'} end
  if #group_of(T, a) + #group_of(T, b) > GROUP then return {'refused', 'too_many'} end
  call('HSET', T .. ':contact:' .. a, 'into', b, 'since', clock, 'jb', by)
  call('SADD', T .. ':merged:' .. b, a)
  actor = by
  transition(T, now, 'contact', '', 0, '', '', {'x', 'merged', 'c', a, 'to', b})
  actor = ''
  return {'ok'}
end

-- contact_join(now, contact, into, by) -> ok | missing | refused same_contact, too_many
local function contact_join(keys, a) return join(keys[1], now_of(a[1]), a[2], a[3], a[4]) end

-- contact_part(now, contact, by) -> ok | refused not_merged. Undoes the merging that attached this one.
local function contact_part(keys, a)
  local T, now, ck = keys[1], now_of(a[1]), keys[1] .. ':contact:' .. a[2]
  local into = call('HGET', ck, 'into')
  if not into then return {'refused', 'not_merged'} end
  call('HDEL', ck, 'into', 'since', 'jb')
  call('SREM', T .. ':merged:' .. into, a[2])
  actor = a[3]
  transition(T, now, 'contact', '', 0, '', '', {'x', 'parted', 'c', a[2], 'to', into})
  actor = ''
  return {'ok'}
end

-- contact_said(contact, number) -> ok | missing | refused too_many_numbers. He says that it is his: shown, never trusted.
local function contact_said(keys, a)
  local T, ck = keys[1], keys[1] .. ':contact:' .. a[1]
  if call('EXISTS', ck) == 0 then return {'missing'} end
  local said = call('HGET', ck, 'said') or ''
  if string.find(',' .. said, ',' .. a[2] .. ',', 1, true) then return {'ok'} end
  if select(2, string.gsub(said, ',', '')) >= NUMBERS then return {'refused', 'too_many_numbers'} end
  call('SADD', T .. ':num:' .. a[2], a[1])
  call('HSET', ck, 'said', said .. a[2] .. ',')
  return {'ok'}
end

-- contact_ask(now, contact, address, code, by) -> ok | missing | refused too_often, same_contact. A code goes to that address; who
-- sends it back as this contact has both. Three an hour, five tries each.
local function contact_ask(keys, a)
  local T, now = keys[1], now_of(a[1])
  local root = root_of(T, a[2])
  if call('EXISTS', T .. ':contact:' .. root) == 0 then return {'missing'} end
  local there = call('HGET', T .. ':addr:' .. a[3], 'c')
  if there and root_of(T, there) == root then return {'refused', 'same_contact'} end
  local key = T .. ':code:' .. root
  local r = call('HMGET', key, 'asked', 'hour')
  local asked, hour = tonumber(r[1] or 0), tonumber(r[2] or 0)
  if now - hour >= HOUR_MS then asked, hour = 0, now end
  if asked >= 3 then return {'refused', 'too_often'} end
  call('HSET', key, 'code', a[4], 'addr', a[3], 'by', a[5], 'left', 5, 'till', int(now + CODE_MS), 'asked', asked + 1, 'hour', int(hour))
  call('PEXPIRE', key, HOUR_MS)
  return {'ok'}
end

-- contact_prove(now, contact, code) -> ok | refused none, wrong, same_contact, too_many. The right code merges whom the
-- address leads to into this contact.
local function contact_prove(keys, a)
  local T, now = keys[1], now_of(a[1])
  local root = root_of(T, a[2])
  local key = T .. ':code:' .. root
  local r = call('HMGET', key, 'code', 'addr', 'by', 'left', 'till')
  if not r[1] or now >= tonumber(r[5]) or tonumber(r[4]) <= 0 then return {'refused', 'none'} end
  if r[1] ~= a[3] then
    call('HINCRBY', key, 'left', -1)
    return {'refused', 'wrong'}
  end
  call('HDEL', key, 'code')
  local there = call('HGET', T .. ':addr:' .. r[2], 'c')
  if not there then  -- we wrote to it, and he answered from where he is
    there = int(call('INCR', T .. ':seq'))
    call('HSET', T .. ':contact:' .. there, 'name', '', 'addr', r[2])
    call('HSET', T .. ':addr:' .. r[2], 'c', there)
  end
  return join(T, now, there, root, 'code of ' .. r[3])
end

-- The digits of an address that is a phone number.
local function digits_of(address)
  return string.match(address, '^tel:%+?(%d+)$') or string.match(address, '^wa:[^:]*:(%d%d%d%d%d%d%d+)$')
end

-- WhatsApp writes the numbers of three countries in another way than the telephone does: Mexico and Argentina with a digit for mobile
-- phones after the country's code, Brazil sometimes without the nine.
local function spellings(d)
  local other = (#d == 13 and string.match(d, '^521(%d+)$') and '52' .. string.sub(d, 4))
    or (#d == 12 and string.match(d, '^52') and '521' .. string.sub(d, 3))
    or (#d == 13 and string.match(d, '^549') and '54' .. string.sub(d, 4))
    or (#d == 12 and string.match(d, '^54') and '549' .. string.sub(d, 3))
    or (#d == 13 and string.match(d, '^55%d%d9') and string.sub(d, 1, 4) .. string.sub(d, 6))
    or (#d == 12 and string.match(d, '^55') and string.sub(d, 1, 4) .. '9' .. string.sub(d, 5))
  return other and {d, other} or {d}
end

-- contact(id, portfolios, each ended by a newline) -> missing | root, fold, parts, same
--   parts: for each contact of his: id name into since by latest address aliases said places, the last as account|window until, a line each
--   same: for each other contact with one of his numbers: id name, address or '' if he only says so
local function contact(keys, a)
  local T = keys[1]
  local root = root_of(T, a[1])
  if call('EXISTS', T .. ':contact:' .. root) == 0 then return {'missing'} end
  local parts, numbers, seen, fold = {}, {}, {}, 0
  local function number(d)
    if d and not seen[d] then
      seen[d] = true
      numbers[#numbers + 1] = d
    end
  end
  for _, id in ipairs(group_of(T, root)) do
    local r = call('HMGET', T .. ':contact:' .. id, 'name', 'into', 'since', 'jb', 'lc', 'addr', 'said', 'fold')
    fold = math.max(fold, tonumber(r[8] or 0))
    local address, aliases, said, places = r[6] or '', '', r[7] or '', {}
    local all = call('HGETALL', T .. ':addr:' .. address)
    local windows, accounts = {}, {}
    for i = 1, #all, 2 do
      local kind, account = string.match(all[i], '^([vsw]):(.*)$')
      if all[i] == 'al' then aliases = all[i + 1] end
      if kind then
        if not accounts[account] then
          accounts[account] = true
          places[#places + 1] = account
        end
        local till = all[i + 1]
        if kind ~= 'w' then till = string.sub(till, -1) ~= '+' and call('HGET', T .. ':conv:' .. till, 'win') or 0 end
        windows[account] = math.max(windows[account] or 0, tonumber(till))
      end
    end
    table.sort(places)
    for i, account in ipairs(places) do places[i] = account .. '|' .. int(windows[account]) end
    parts[#parts + 1] = {id, r[1] or '', r[2] or '', r[3] or '0', r[4] or '', r[5] or '', address, aliases, said, table.concat(places, '\n')}
    number(digits_of(address))
    for each in string.gmatch(aliases, '[^\n]+') do number(digits_of(each)) end
    for each in string.gmatch(said, '%+(%d+),') do number(each) end
  end
  local same, known = {}, {[root] = true}
  local function other(id, address)
    local his = id and root_of(T, id)
    if not his or known[his] or #same >= SAME then return end
    known[his] = true
    same[#same + 1] = {his, call('HGET', T .. ':contact:' .. his, 'name') or '', address}
  end
  for _, given in ipairs(numbers) do
    for _, d in ipairs(spellings(given)) do
      other(call('HGET', T .. ':addr:tel:+' .. d, 'c'), 'tel:+' .. d)
      for portfolio in string.gmatch(a[2], '[^\n]+') do
        local address = 'wa:' .. portfolio .. ':' .. d
        other(call('HGET', T .. ':addr:' .. address, 'c'), address)
      end
      local saying = call('SMEMBERS', T .. ':num:+' .. d)
      table.sort(saying, function(x, y) return tonumber(x) < tonumber(y) end)
      for _, id in ipairs(saying) do other(id, '') end
    end
  end
  return {root, int(fold), parts, same}
end

-- contact_at(address) -> the contact's id, or ''
local function contact_at(keys, a) return call('HGET', keys[1] .. ':addr:' .. a[1], 'c') or '' end

-- consent(now, address, category, '1' given or '0', at ms, proof) -> ok, 1 if that is news. Of category `all`, refused: nothing but an
-- alert begins a conversation with him.
local function consent(keys, a)
  local T = keys[1]
  local key, word = T .. ':consent:' .. a[2], a[4] == '1' and 'given' or 'refused'
  local before = call('HGET', key, a[3])
  call('HSET', key, a[3], word .. '|' .. a[5] .. '|' .. a[6])
  if a[3] == 'all' then
    if word == 'refused' then call('HSET', T .. ':addr:' .. a[2], 'no', '1') else call('HDEL', T .. ':addr:' .. a[2], 'no') end
  end
  return {'ok', string.match(before or '', '^%a+') ~= word and 1 or 0}
end

redis.register_function('contact_join_' .. VERSION, contact_join)
redis.register_function('consent_' .. VERSION, consent)
redis.register_function('contact_part_' .. VERSION, contact_part)
redis.register_function('contact_said_' .. VERSION, contact_said)
redis.register_function('contact_ask_' .. VERSION, contact_ask)
redis.register_function('contact_prove_' .. VERSION, contact_prove)
redis.register_function{function_name = 'contact_' .. VERSION, callback = contact, flags = {'no-writes'}}
redis.register_function{function_name = 'contact_at_' .. VERSION, callback = contact_at, flags = {'no-writes'}}
