-- ingest: a citizen's message becomes durable. One call: dedupe, contact, conversation, log, timers, and the agent's desk.
--
-- ARGV: 1 now  2 account  3 channel  4 day  5 day end ms  6 dedupe member  7-9 addresses (may be empty from 8 on)  10 name
--       11 queue  12 window end ms (0: not extended)  13 '1': may open a conversation  14 weight  15 entry
--       16 hinted agent  17 that agent's generation  18 offer ttl ms  19 '1': auto-accept  20 reasons
--       21 an old address whose contact gets addresses 7-9 (Identity)  22 '1': it has a media to be fetched
-- Reads and writes: dd, addr, contact, conv, log, st, q, dl, ev, the owner's agent, agentc and replay.
-- Answers: {'new'|'ok', conv, n, contact, gen, state, owner} | {'dup'} | {'none', contact}

local EIGHT_DAYS = 8 * 24 * 3600 * 1000
local dated = {}      -- dedupe buckets whose expiry this server has set in this hour: saves a call a message
local dated_hour = 0

local function remember(T, now, channel, day, day_end, member)
  local bucket = T .. ':dd:' .. channel .. ':' .. day
  if call('SADD', bucket, member) == 0 then return false end
  local hour = math.floor(now / 3600000)
  if hour ~= dated_hour then dated, dated_hour = {}, hour end
  if not dated[bucket] then
    dated[bucket] = true
    call('PEXPIREAT', bucket, int(math.max(tonumber(day_end), now) + EIGHT_DAYS))
  end
  return true
end

-- An address leads to its contact and, a guess, to the conversation. al names the aliases already written.
local function contact_of(T, account, a)
  local main, aliases = a[7], a[8] .. ' ' .. a[9]
  local r = call('HMGET', T .. ':addr:' .. main, 'c', 'v:' .. account, 'al')
  local contact, conv = r[1], r[2]
  if contact and (aliases == ' ' or r[3] == aliases) then return contact, conv end
  local known = {a[8], a[9], a[21] or ''}
  for i = 1, 3 do
    if not contact and known[i] ~= '' then contact = call('HGET', T .. ':addr:' .. known[i], 'c') end
  end
  if not contact then return nil end
  if not r[1] then call('HSET', T .. ':addr:' .. main, 'c', contact) end
  for i = 1, 2 do
    if known[i] ~= '' then call('HSETNX', T .. ':addr:' .. known[i], 'c', contact) end
  end
  if aliases ~= ' ' then call('HSET', T .. ':addr:' .. main, 'al', aliases) end
  return contact, conv or nil
end

local function open_conversation(T, now, a, contact)
  local id = tostring(call('INCR', T .. ':seq'))
  if not contact then
    contact = id
    for i = 7, 9 do
      if a[i] ~= '' then call('HSET', T .. ':addr:' .. a[i], 'c', contact) end
    end
    if a[8] ~= '' then call('HSET', T .. ':addr:' .. a[7], 'al', a[8] .. ' ' .. a[9]) end
    call('HSET', T .. ':contact:' .. contact, 'name', a[10], 'addr', a[7], 'v:' .. a[2], id)
  else
    call('HSET', T .. ':contact:' .. contact, 'name', a[10], 'v:' .. a[2], id)
  end
  call('HSET', T .. ':addr:' .. a[7], 'v:' .. a[2], id)
  return id, contact
end

-- The hint is honoured only if none of the agent's queues holds a waiting item: nobody is overtaken.
local function hinted(T, now, a)
  local agent = a[16]
  if agent == '' then return false end
  local able, gen = can_take(T, agent, tonumber(a[14]))
  if not able or gen ~= a[17] then return false end
  local queues = call('HGET', T .. ':agent:' .. agent, 'queues') or ''
  local member = false
  for queue in string.gmatch(queues, '[^,]+') do
    if call('ZCARD', T .. ':q:' .. queue) > 0 then return false end
    if queue == a[11] then member = true end
  end
  return member
end

local function ingest(keys, a)
  local T, now = keys[1], now_of(a[1])
  if not remember(T, now, a[3], a[4], a[5], a[6]) then return {'dup'} end
  local account, entry = a[2], a[15]
  local contact, conv = contact_of(T, account, a)
  local c
  if conv then
    c = call('HMGET', T .. ':conv:' .. conv, 'state', 'gen', 'own', 'n', 'win', 'acct')
    if not c[1] or c[1] == 'closed' then c = nil end
  end
  if not c and contact then
    local open = call('HGET', T .. ':contact:' .. contact, 'v:' .. account)
    if open then
      c = call('HMGET', T .. ':conv:' .. open, 'state', 'gen', 'own', 'n', 'win', 'acct')
      if not c[1] or c[1] == 'closed' then
        c = nil
      else
        conv = open
        call('HSET', T .. ':addr:' .. a[7], 'v:' .. account, conv)
      end
    end
  end

  if c then
    local state, gen, own = c[1], c[2], c[3] or ''
    local n = call('RPUSH', T .. ':log:' .. conv, entry)
    call('APPEND', T .. ':st:' .. conv, 'i')
    local win = c[5] or '0'
    if tonumber(a[12]) > tonumber(win) then win = a[12] end
    call('HSET', T .. ':conv:' .. conv, 'n', n, 'win', win, 'last', int(now))
    if a[22] == '1' then call('ZADD', T .. ':media:' .. account, now, conv .. '.' .. n) end
    if own ~= '' then
      tell(T, now, own, 'm', conv, n, 'i', win, entry)
      if (state == 'parked' or state == 'wrapup') and a[13] == '1' then
        gen, state, own = wake(T, now, conv, read(T, conv), 'message')
      end
    end
    return {'ok', conv, n, contact, tonumber(gen), state, own}
  end

  if a[13] ~= '1' then
    -- A change of something already closed joins that log and wakes nobody.
    if conv and call('HEXISTS', T .. ':conv:' .. conv, 'state') == 1 then
      local n = call('RPUSH', T .. ':log:' .. conv, entry)
      call('APPEND', T .. ':st:' .. conv, 'i')
      call('HSET', T .. ':conv:' .. conv, 'n', n)
      return {'ok', conv, n, contact, tonumber(call('HGET', T .. ':conv:' .. conv, 'gen')), 'closed', ''}
    end
    -- Nothing was kept, so nothing is remembered: the caller puts it aside, and if that fails the repeat must not pass for kept.
    call('SREM', T .. ':dd:' .. a[3] .. ':' .. a[4], a[6])
    return {'none', contact or ''}
  end
  conv, contact = open_conversation(T, now, a, contact)
  local weight = tonumber(a[14])
  call('RPUSH', T .. ':log:' .. conv, entry)
  call('SET', T .. ':st:' .. conv, 'i')
  local when = int(now)
  call('HSET', T .. ':conv:' .. conv, 'state', 'queued', 'gen', 1, 'own', '', 'q', a[11], 'ch', a[3], 'acct', account, 'contact', contact,
    'addr', a[7], 'nm', a[10], 'first', when, 'eff', when, 'wt', weight, 'base', weight, 'n', 1, 'open', 0, 'win', a[12], 'last', when)
  if a[22] == '1' then call('ZADD', T .. ':media:' .. account, now, conv .. '.1') end
  if hinted(T, now, a) then
    transition(T, now, 'opened', conv, 1, '', a[11], {'e', when, 'w', weight})
    local gen, state = give(T, now, conv, 1, a[16], weight, a[11], tonumber(a[18]), a[19] == '1', a[20])
    return {'new', conv, 1, contact, gen, state, a[16]}
  end
  call('ZADD', T .. ':q:' .. a[11], when, conv)
  transition(T, now, 'queued', conv, 1, '', a[11], {'e', when, 'w', weight})
  return {'new', conv, 1, contact, 1, 'queued', ''}
end

-- quarantine(now, bytes, why) -> ok. What cannot be kept otherwise is kept here, the last 10,000 of it.
local function quarantine(keys, a)
  local T, now = keys[1], now_of(a[1])
  call('LPUSH', T .. ':quarantine', int(now) .. '|' .. a[3] .. '|' .. a[2])
  call('LTRIM', T .. ':quarantine', 0, 9999)
  return {'ok'}
end

redis.register_function('ingest_' .. VERSION, ingest)
redis.register_function('quarantine_' .. VERSION, quarantine)
