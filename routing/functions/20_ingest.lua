-- ingest: a citizen's message becomes durable. One call: dedupe, contact, conversation, log, timers, and the agent's desk.
--
-- ARGV: 1 now  2 account  3 dedupe bucket (channel:day), or channel:account+ if the member is a hash of bytes that the provider may
--         repeat until he has our yes, and a citizen after that  4 dedupe member
--       5 address; two other addresses of his may follow it on lines of their own: no address has a newline in it  6 entry
--       7 window end ms (0: not extended), then m if it has a media to be fetched
--       8 how a new conversation opens, '' if it may not: queue|weight|offer ttl ms|auto-accept 0 or 1|hinted agent|his generation|
--          priority, in minutes|when its queue opens, if it is closed|the program it goes to if that is there; the last three may be
--          absent. Below it a line of the hint's reasons, and his name. '-' if it would open, but there is no room for one
--       9 an old address whose contact gets 5 (Identity); may be absent
-- An argument costs a sixth of a small command, more beyond eight: what only few need shares one.
-- Reads and writes: dd or open, addr, contact, conv, log, st, q, dl, ev, the owner's agent, agentc and replay.
-- Answers one line: new|conv|n|contact|gen|state|owner, the same with ok, none|contact, full, or dup.

local EIGHT_DAYS = 8 * 24 * 3600 * 1000
local dated = {}      -- dedupe buckets whose expiry this server has set in this hour: saves a call a message
local dated_hour = 0

-- A key that ends in its day goes eight days after that.
local function end_after_a_week(now, key)
  local hour = math.floor(now / 3600000)
  if hour ~= dated_hour then dated, dated_hour = {}, hour end
  if not dated[key] then
    dated[key] = true
    local day_end = (tonumber(string.match(key, '%d+$')) + 1) * 86400000
    call('PEXPIREAT', key, int(math.max(day_end, now) + EIGHT_DAYS))
  end
end

-- Bytes that are not acknowledged yet, or of which nobody knows whether they were, are a repeat, within ten minutes: it will be
-- acknowledged as the first, and that ends it. Unless the caller knows better: then a ! stands before them.
local OPEN_MS = 600 * 1000
local function came_before(now, key, member)
  if string.byte(member) == 33 then
    call('HSET', key, string.sub(member, 2), clock)
    return false
  end
  if call('HSETNX', key, member, clock) == 1 then return false end
  if now - tonumber(call('HGET', key, member)) < OPEN_MS then return true end
  call('HSET', key, member, clock)
  return false
end

local function remember(T, now, account, bucket, member)
  if string.byte(bucket, -1) == 43 then return not came_before(now, T .. ':open:' .. account, member) end
  -- A page repeats for 24 h, and its repeats are of the day they come: the day before counts as well.
  if string.sub(bucket, 1, 4) == 'web:' and
    call('SISMEMBER', T .. ':dd:web:' .. int(tonumber(string.sub(bucket, 5)) - 1), member) == 1 then return false end
  bucket = T .. ':dd:' .. bucket
  if call('SADD', bucket, member) == 0 then return false end
  end_after_a_week(now, bucket)
  return true
end

local function forget(T, account, bucket, member)
  if string.byte(bucket, -1) == 43 then return call('HDEL', T .. ':open:' .. account, (string.gsub(member, '^!', ''))) end
  call('SREM', T .. ':dd:' .. bucket, member)
end

-- An address leads to its contact and, a guess, to the conversation. al names the aliases already written.
local function contact_of(T, here, main, aliases, old)
  local addr, r = T .. ':addr:' .. main
  if aliases == '' then
    r = call('HMGET', addr, 'c', here)
  else
    r = call('HMGET', addr, 'c', here, 'al')
  end
  local contact, conv = r[1], r[2]
  if contact and (aliases == '' or r[3] == aliases) then return contact, conv end
  for known in string.gmatch(aliases, '[^\n]+') do
    if not contact then contact = call('HGET', T .. ':addr:' .. known, 'c') end
  end
  if not contact and old then contact = call('HGET', T .. ':addr:' .. old, 'c') end
  if not contact then return nil end
  if old then call('HSET', T .. ':contact:' .. contact, 'addr', main) end
  if not r[1] then call('HSET', addr, 'c', contact) end
  for known in string.gmatch(aliases, '[^\n]+') do call('HSETNX', T .. ':addr:' .. known, 'c', contact) end
  if aliases ~= '' then call('HSET', addr, 'al', aliases) end
  return contact, conv or nil
end

local function open_conversation(T, here, main, aliases, name, contact)
  local id = int(call('INCR', T .. ':seq'))
  local addr = T .. ':addr:' .. main
  if contact then
    call('HSET', addr, here, id)
    call('HSET', T .. ':contact:' .. contact, 'name', name, here, id, 'lc', id)
    return id, contact
  end
  if aliases == '' then
    call('HSET', addr, 'c', id, here, id)
  else
    call('HSET', addr, 'c', id, here, id, 'al', aliases)
    for known in string.gmatch(aliases, '[^\n]+') do call('HSET', T .. ':addr:' .. known, 'c', id) end
  end
  call('HSET', T .. ':contact:' .. id, 'name', name, 'addr', main, here, id, 'lc', id)
  return id, id
end

-- The hint is honoured only if none of the agent's queues holds a waiting item: nobody is overtaken. With his load and last event.
local function hinted(T, agent, agent_gen, queue, weight)
  if agent == '' then return false end
  local able, gen, queues, load, seq = can_take(T, agent, tonumber(weight))
  if not able or gen ~= agent_gen then return false end
  local member = false
  for each in string.gmatch(queues, '[^,]+') do
    if call('ZCARD', T .. ':q:' .. each) > 0 then return false end
    if each == queue then member = true end
  end
  return member, load, seq
end

-- One line: an array of seven costs as much as two small commands.
local function came(how, conv, n, contact, gen, state, own)
  return how .. '|' .. conv .. '|' .. n .. '|' .. contact .. '|' .. gen .. '|' .. state .. '|' .. own
end

-- The agent of the contact's last conversation, if that was within three days; and the conversation that was opened last.
local STICKY_MS = 72 * 3600 * 1000
local function last_of(T, now, contact)
  local r = call('HMGET', T .. ':contact:' .. contact, 'la', 'lat', 'lc', 'into')
  local agent, at = r[1] or '', tonumber(r[2] or 0)
  if r[4] then  -- one of several of this citizen
    local root = call('HMGET', T .. ':contact:' .. root_of(T, r[4]), 'la', 'lat')
    if tonumber(root[2] or 0) > at then agent, at = root[1], tonumber(root[2]) end
  end
  return now - at < STICKY_MS and agent or '', r[3]
end

local function ingest(keys, a)
  local T = keys[1]
  local now = now_of(a[1])
  if not remember(T, now, a[2], a[3], a[4]) then return 'dup' end
  local account, main, entry, window, how, old = a[2], a[5], a[6], a[7], a[8], a[9]
  local aliases, media = '', string.byte(window, -1) == 109
  if media then window = string.sub(window, 1, -2) end
  local line = string.find(main, '\n', 1, true)
  if line then main, aliases = string.sub(main, 1, line - 1), string.sub(main, line + 1) end
  local here = 'v:' .. account
  local contact, conv = contact_of(T, here, main, aliases, old)
  local c, elsewhere
  if conv and string.byte(conv, -1) == 43 then  -- a +: what he writes here is answered at another address of his
    conv, elsewhere = string.sub(conv, 1, -2), true
  end
  if old and old == main and contact then call('HSET', T .. ':contact:' .. contact, 'fold', clock) end
  if conv then
    c = call('HMGET', T .. ':conv:' .. conv, 'state', 'gen', 'own', 'win', 'una')
    if not c[1] or c[1] == 'closed' then c = nil end
  end
  if not c and contact then
    local open = call('HGET', T .. ':contact:' .. contact, here)
    if open then
      c = call('HMGET', T .. ':conv:' .. open, 'state', 'gen', 'own', 'win', 'una')
      if not c[1] or c[1] == 'closed' then
        c = nil
      else
        conv, elsewhere = open, false
        call('HSET', T .. ':addr:' .. main, here, conv)
      end
    end
  end

  if c then
    local state, gen, own, win, ck = c[1], c[2], c[3] or '', c[4] or '0', T .. ':conv:' .. conv
    local n = int(call('RPUSH', T .. ':log:' .. conv, entry))
    if elsewhere then
      if window ~= '0' then call('HSET', T .. ':addr:' .. main, 'w:' .. account, window) end
    elseif #window > #win or #window == #win and window > win then
      win = window
    end
    if c[5] == '0' and how ~= '' then
      call('HSET', ck, 'n', n, 'win', win, 'last', clock, 'una', clock)
    else
      call('HSET', ck, 'n', n, 'win', win, 'last', clock)
    end
    if old and not elsewhere then call('HSET', ck, 'addr', main) end  -- that is where he is to be answered now
    if media then call('ZADD', T .. ':media:' .. account, clock, conv .. '.' .. n) end
    if own ~= '' then
      tell(T, now, own, 'm', conv, n, 'i', win, entry)
      if (state == 'parked' or state == 'wrapup') and how ~= '' then
        gen, state, own = wake(T, now, conv, read(T, conv), 'message')
      end
    end
    return came('ok', conv, n, contact, gen, state, own)
  end

  if how == '-' then
    forget(T, account, a[3], a[4])
    return 'full'
  end
  if how == '' then
    -- A change of something already closed joins that log and wakes nobody.
    if conv and call('HEXISTS', T .. ':conv:' .. conv, 'state') == 1 then
      local n = call('RPUSH', T .. ':log:' .. conv, entry)
      call('HSET', T .. ':conv:' .. conv, 'n', n)
      return came('ok', conv, n, contact, call('HGET', T .. ':conv:' .. conv, 'gen'), 'closed', '')
    end
    -- Nothing was kept, so nothing is remembered: the caller puts it aside, and if that fails the repeat must not pass for kept.
    forget(T, account, a[3], a[4])
    return 'none|' .. (contact or '')
  end
  local queue, weight, ttl, auto, agent, agent_gen, minutes, opens, bot, reasons, name =
    string.match(how, '^([^|]*)|(%d+)|(%d+)|([01])|([^|]*)|(%d*)|?(%d*)|?(%d*)|?([^|\n]*)\n([^\n]*)\n(.*)$')
  local channel, eff = string.match(a[3], '^[^:]*'), clock
  if minutes ~= '' then eff = int(now - 60000 * tonumber(minutes)) end
  local sticky, before = '', nil
  if contact then sticky, before = last_of(T, now, contact) end
  conv, contact = open_conversation(T, here, main, aliases, name, contact)
  call('RPUSH', T .. ':log:' .. conv, entry)
  local gen, state, own = '1', 'queued', ''
  if bot ~= '' and bots.is_there(T, bot) then state, own = 'bot', bot
  elseif opens ~= '' and tonumber(opens) > now then state = 'after_hours' end
  -- Who knows this citizen goes first: the matcher asks him.
  local able, load, seq
  if state == 'queued' and (sticky == '' or sticky == agent) then able, load, seq = hinted(T, agent, agent_gen, queue, weight) end
  if able then gen, state, own = '2', auto == '1' and 'active' or 'offered', agent end
  -- What each message reads and writes stands first: a small hash is searched from its beginning.
  call('HSET', T .. ':conv:' .. conv, 'state', state, 'gen', gen, 'own', own, 'win', window, 'una', '', 'n', '1', 'last', clock, 'q', queue,
    'ch', channel, 'acct', account, 'contact', contact, 'addr', main, 'nm', name, 'first', clock, 'eff', eff, 'wt', weight, 'base', weight)
  if before then call('HSET', T .. ':conv:' .. conv, 'prev', before) end
  local sent = call('HGET', T .. ':addr:' .. main, 's:' .. account)
  if sent then call('HSET', T .. ':conv:' .. conv, 'ans', sent) end
  if media then call('ZADD', T .. ':media:' .. account, clock, conv .. '.1') end
  if state == 'bot' then
    bots.open(T, now, conv, bot, queue, eff, sticky, window, entry)
  elseif state == 'after_hours' then
    if sticky ~= '' then call('HSET', T .. ':conv:' .. conv, 'stk', sticky) end
    call('ZADD', T .. ':nb:' .. queue, opens, conv)
    call('ZADD', T .. ':dl', opens, 'open|' .. conv .. '|1')
    transition(T, now, 'after_hours', conv, gen, '', queue, {'e', eff, 'w', weight, 'nb', opens})
  elseif own == '' then
    call('ZADD', T .. ':q:' .. queue, eff, conv)
    if sticky == '' then
      transition(T, now, 'queued', conv, gen, '', queue, {'e', eff, 'w', weight})
    else
      call('HSET', T .. ':conv:' .. conv, 'stk', sticky)
      transition(T, now, 'queued', conv, gen, '', queue, {'e', eff, 'w', weight, 'y', sticky})
    end
  else
    -- Its log of transitions begins with the offer: an entry costs a tenth of all this.
    call('HSET', T .. ':conv:' .. conv, 'given', clock)
    hand(T, now, conv, gen, own, weight, queue, tonumber(ttl), auto == '1', reasons, load, seq, not sent and
      card_line(own, queue, channel, account, contact, clock, window, '1', clock, before or '', name, entry))
  end
  return came('new', conv, '1', contact, gen, state, own)
end

-- quarantine(now, bytes, why) -> ok. What cannot be kept otherwise is kept here, the last 10,000 of it.
local function quarantine(keys, a)
  local T, now = keys[1], now_of(a[1])
  call('LPUSH', T .. ':quarantine', clock .. '|' .. a[3] .. '|' .. a[2])
  call('LTRIM', T .. ':quarantine', 0, 9999)
  return {'ok'}
end

-- acknowledged(now, account, then members) -> ok. The provider has our yes to these: the same bytes are another message from now on.
-- What nobody acknowledged is nothing after ten minutes; it is looked for once a minute, if there is much.
local looked = {}
local function acknowledged(keys, a)
  local key, now = keys[1] .. ':open:' .. a[2], now_of(a[1])
  call('HDEL', key, unpack(a, 3))
  if math.abs(now - (looked[key] or 0)) >= 60000 and call('HLEN', key) > 2000 then
    looked[key] = now
    local all = call('HGETALL', key)
    for i = 1, #all, 2 do
      if now - tonumber(all[i + 1]) >= OPEN_MS then call('HDEL', key, all[i]) end
    end
  end
  return {'ok'}
end

redis.register_function('ingest_' .. VERSION, ingest)
redis.register_function{function_name = 'acknowledged_' .. VERSION, callback = acknowledged, flags = {'allow-oom'}}
redis.register_function('quarantine_' .. VERSION, quarantine)
