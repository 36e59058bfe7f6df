-- The road out: reply -> lane -> claim -> settle. One outbound entry of a conversation is in flight at a time (conv.fly);
-- the others wait in T:hold:<conv>, and conv.fly names the one whose turn it is, claimed or still in its lane. In a log of sends the
-- order is that of each citizen: the next to him (lane|conv.n) waits in conv.w<n> for the one before. A claim is durable before the first byte
-- and is never taken over by a machine.

local names = {} -- 32_receipts.lua: what providers call our messages

local function lease_of(T, name)
  local line = call('HGET', T .. ':lease', name)
  if not line then return nil end
  local shard, shard_epoch, epoch, till = string.match(line, '^(.-)|(%d+)|(%d+)|(%d+)$')
  return shard, tonumber(shard_epoch), tonumber(epoch), tonumber(till)
end

-- An owner may act only under the lease epoch that he was given.
local function owns(T, name, shard, epoch, now)
  local who, _, current, till = lease_of(T, name)
  return who == shard and current == tonumber(epoch) and now < till
end

local function byte_of(T, conv, n)
  return known_byte(call('GETRANGE', T .. ':st:' .. conv, n - 1, n - 1))
end

-- Moves the state of one entry forward, never back; keeps `open` true to the bytes. Answers whether it moved.
local function advance(T, conv, n, to)
  local from = byte_of(T, conv, n)
  if from == 'i' or ORDER[to] <= ORDER[from] then return false, from end
  call('SETRANGE', T .. ':st:' .. conv, n - 1, to)
  if is_open(from) and not is_open(to) then call('HINCRBY', T .. ':conv:' .. conv, 'open', -1) end
  return true, from
end

-- The one in flight has its answer: the next that still waits gets the turn, before anything written from now on. `r` is what of the
-- conversation was read already: fly, state, own, w<n>.
local function land(T, account, conv, n, r)
  local item = conv .. '.' .. n
  call('HDEL', T .. ':fly:' .. account, item)
  r = r or call('HMGET', T .. ':conv:' .. conv, 'fly', 'state', 'own', 'w' .. n)
  if r[2] == 'sends' then
    if r[4] then
      local lane, nxt = string.match(r[4], '^(%d)|(.+)$')
      call('HDEL', T .. ':conv:' .. conv, 'w' .. n)
      call('LPUSH', T .. ':out:' .. account .. ':' .. lane, nxt)
      call('PUBLISH', T .. ':lane:' .. account, '')
    end
    return
  end
  if r[1] ~= tostring(n) then return end
  local nxt, lane
  repeat
    nxt = call('LPOP', T .. ':hold:' .. conv)
    if nxt then lane, nxt = string.match(nxt, '^(%d)|(%d+)$') end
  until not nxt or byte_of(T, conv, nxt) == 'q'
  if nxt then
    call('HSET', T .. ':conv:' .. conv, 'fly', nxt)
    call('LPUSH', T .. ':out:' .. account .. ':' .. lane, conv .. '.' .. nxt)
    call('PUBLISH', T .. ':lane:' .. account, '')
  else
    call('HDEL', T .. ':conv:' .. conv, 'fly')
  end
end

-- May it be claimed at once? Nobody waits before it, and the caller has the lane.
local function at_once(T, now, account, lane, shard, epoch)
  return epoch ~= '' and owns(T, 'acct:' .. account, shard, epoch, now) and
    call('EXISTS', T .. ':out:' .. account .. ':0', T .. ':out:' .. account .. ':' .. lane) == 0
end

-- Into its lane, or into the owner's hands.
local function set_off(T, account, lane, item, claimed, epoch)
  if claimed then
    call('HSET', T .. ':fly:' .. account, item, epoch .. '|' .. lane)
  else
    call('RPUSH', T .. ':out:' .. account .. ':' .. lane, item)
    call('PUBLISH', T .. ':lane:' .. account, '')
  end
end

-- reply(now, conv, gen, agent, client_id, entry, lane, needs_window, shard, lease epoch or '', author, account or '')
-- agent '' is the API: it needs no ownership. With a lease epoch the entry is claimed at once when nothing of the
-- conversation is in flight. account: where the caller thinks that it is answered, for the content and the lease are that one's; it
-- may have been switched, and then nothing is kept: refused switched. Answers ok conv n claimed(0|1) address | repeat conv n | stale ... | window until | missing
local function reply(keys, a)
  local T, now = keys[1], now_of(a[1])
  local conv, agent = a[2], a[4]
  local once = T .. ':cid:' .. a[11] .. ':' .. a[5]
  if a[5] ~= '' then
    local before = call('GET', once)
    if before then
      local c, n = string.match(before, '^(.+)%.(%d+)$')
      return {'repeat', c, tonumber(n)}
    end
  end
  local r = call('HMGET', T .. ':conv:' .. conv, 'state', 'gen', 'own', 'acct', 'fly', 'win', 'addr', 'fr', 'una')
  local state, gen, own, account, fly = r[1], r[2], r[3], r[4], r[5]
  if not state or state == 'sends' then return {'missing'} end
  local by_bot = agent ~= '' and state == 'bot'
  if agent ~= '' and ((state ~= 'active' and not by_bot) or own ~= agent or gen ~= a[3]) then return stale(gen, state, own) end
  if agent == '' and state == 'closed' then return stale(gen, state, own) end
  if (a[12] or '') ~= '' and a[12] ~= account then return {'refused', 'switched'} end
  if a[8] == '1' and now >= tonumber(r[6] or 0) then return {'window', tonumber(r[6] or 0)} end
  local n = call('RPUSH', T .. ':log:' .. conv, a[6])
  local web = is_web(r[7])
  local claimed = not web and not fly and at_once(T, now, account, a[7], a[9], a[10])
  -- We are the provider of the web chat: what is kept is sent.
  local byte = web and 's' or claimed and 'c' or 'q'
  call('SETRANGE', T .. ':st:' .. conv, n - 1, byte)
  local ck = T .. ':conv:' .. conv
  call('HINCRBY', ck, 'open', 1)
  if web then
    call('HSET', ck, 'n', n)
    show_visitor(T, r[7], conv, n, byte, a[6])
  elseif fly then
    call('HSET', ck, 'n', n)
    call('RPUSH', T .. ':hold:' .. conv, a[7] .. '|' .. n)
  else
    call('HSET', ck, 'n', n, 'fly', n)
    set_off(T, account, a[7], conv .. '.' .. n, claimed, a[10])
  end
  if by_bot then bots.wrote(T, conv, n, fly) end
  -- The clocks of its queue's goals: an agent has answered all there is.
  if agent ~= '' and not by_bot and r[9] ~= '0' then call('HSET', ck, 'una', '0', 'fr', r[8] or clock) end
  if a[5] ~= '' then call('SET', once, conv .. '.' .. n, 'PX', 86400000) end
  if own ~= '' then tell(T, now, own, 'm', conv, n, web and 's' or 'q', r[6] or '0', a[6]) end
  return {'ok', conv, n, claimed and 1 or 0, r[7]}
end

-- note(now, conv, agent, client_id, entry, author) -> ok conv n | repeat conv n | missing. Seen by agents only.
local function note(keys, a)
  local T, now = keys[1], now_of(a[1])
  local conv = a[2]
  local once = T .. ':cid:' .. a[6] .. ':' .. a[4]
  local before = a[4] ~= '' and call('GET', once)
  if before then
    local c, n = string.match(before, '^(.+)%.(%d+)$')
    return {'repeat', c, tonumber(n)}
  end
  local r = call('HMGET', T .. ':conv:' .. conv, 'state', 'own', 'gen')
  if not r[1] or r[1] == 'sends' then return {'missing'} end
  if a[3] ~= '' and r[2] ~= a[3] then return stale(r[3], r[1], r[2]) end
  local n = call('RPUSH', T .. ':log:' .. conv, a[5])
  call('HSET', T .. ':conv:' .. conv, 'n', n)
  if a[4] ~= '' then call('SET', once, conv .. '.' .. n, 'PX', 86400000) end
  if r[2] ~= '' then tell(T, now, r[2], 'm', conv, n, 'i', '', a[5]) end
  return {'ok', conv, n}
end

-- A log of sends holds so many, of one account, shard and day: it is archived as a whole.
local MOST_SENDS = 1000

-- The one in use: its id and how many of it are open, or nil if there is no room for a new one.
local function log_of_sends(T, now, account, channel, shard, room)
  local slot, day = account .. '|' .. shard, int(math.floor(now / 86400000))
  local id = string.match(call('HGET', T .. ':sends', slot) or '', '^(%d+)|' .. day .. '$')
  local r = id and call('HMGET', T .. ':conv:' .. id, 'state', 'n', 'open')
  if r and r[1] == 'sends' and tonumber(r[2]) < MOST_SENDS then return id, tonumber(r[3]) end
  if not room then return nil end
  id = int(call('INCR', T .. ':seq'))
  call('HSET', T .. ':sends', slot, id .. '|' .. day)
  call('HSET', T .. ':conv:' .. id, 'state', 'sends', 'gen', 1, 'own', '', 'q', '', 'ch', channel, 'acct', account, 'contact', '',
    'addr', '', 'nm', '', 'first', clock, 'eff', clock, 'wt', 0, 'base', 0, 'n', 0, 'open', 0, 'win', 0, 'last', clock, 'slot', slot)
  call('ZADD', T .. ':closed', clock, id)
  return id, 0
end

-- Whether what went to this citizen before still waits for its answer.
local function on_its_way(T, account, item)
  local conv, n = string.match(item, '^(.+)%.(%d+)$')
  local byte = byte_of(T, conv, n)
  return byte == 'q' or byte == 'c' or (byte == 'u' and call('ZSCORE', T .. ':dl', 'unc|' .. account .. '|' .. item) ~= false)
end

-- send(now, account, channel, address, client_id, author, entry, lane, needs_window, shard, lease epoch,
--      '0': there is no room for a new log of sends, '1': whatever he said about being written to)
-- An API send to an address: into its open conversation, else into a log of sends (state `sends`): nobody owns that, no queue holds it;
-- the citizen's answer opens a real one. Same answers as reply, with the address as given; and refused full, consent.
local function send(keys, a)
  local T, now = keys[1], now_of(a[1])
  local account, address, lane = a[2], a[4], a[8]
  local once = T .. ':cid:' .. a[6] .. ':' .. a[5]
  local before = a[5] ~= '' and call('GET', once)
  if before then
    local c, n = string.match(before, '^(.+)%.(%d+)$')
    return {'repeat', c, tonumber(n)}
  end
  local ak = T .. ':addr:' .. address
  local r = call('HMGET', ak, 'c', 'v:' .. account, 's:' .. account, 'w:' .. account, 'no')
  local contact, conv, sent = r[1], r[2], r[3]
  local win = tonumber(r[4] or 0)
  local function still_open(id)
    local c = call('HMGET', T .. ':conv:' .. id, 'state', 'win')
    win = math.max(win, tonumber(c[2] or 0))
    return c[1] and c[1] ~= 'closed'
  end
  if conv and string.sub(conv, -1) == '+' then conv = nil end  -- that one is answered elsewhere
  if conv and not still_open(conv) then conv = nil end
  if contact and not conv then
    conv = call('HGET', T .. ':contact:' .. contact, 'v:' .. account)
    if conv and not still_open(conv) then conv = nil end
  end
  if a[9] == '1' and now >= win then return {'window', win} end
  if conv then return reply(keys, {a[1], conv, '', '', a[5], a[7], lane, '0', a[10], a[11], a[6]}) end
  if r[5] and lane ~= '0' and a[13] ~= '1' then return {'refused', 'consent'} end
  local open
  conv, open = log_of_sends(T, now, account, a[3], a[10], a[12] ~= '0')
  if not conv then return {'refused', 'full'} end
  local n = int(call('RPUSH', T .. ':log:' .. conv, a[7]))
  local item = conv .. '.' .. n
  local waits = sent and on_its_way(T, account, sent)
  local claimed = not waits and at_once(T, now, account, lane, a[10], a[11])
  call('SETRANGE', T .. ':st:' .. conv, n - 1, claimed and 'c' or 'q')
  call('HSET', T .. ':conv:' .. conv, 'n', n, 'last', clock, 'open', int(open + 1))
  call('HSET', ak, 's:' .. account, item)
  if waits then
    local before_conv, before_n = string.match(sent, '^(.+)%.(%d+)$')
    call('HSET', T .. ':conv:' .. before_conv, 'w' .. before_n, lane .. '|' .. item)
  else
    set_off(T, account, lane, item, claimed, a[11])
  end
  if a[5] ~= '' then call('SET', once, item, 'PX', 86400000) end
  return {'ok', conv, tonumber(n), claimed and 1 or 0, address}
end

-- claim(now, account, shard, lease epoch, at most, at most alerts) -> lost | ok, then conv, n, address, entry, lane for each
local function claim(keys, a)
  local T, now = keys[1], now_of(a[1])
  local account, room = a[2], tonumber(a[6])
  if not owns(T, 'acct:' .. account, a[3], a[4], now) then return {'lost'} end
  local out = {'ok'}
  local function take(item, lane)
    local conv, n = string.match(item, '^(.+)%.(%d+)$')
    local r = call('HMGET', T .. ':conv:' .. conv, 'fly', 'addr')
    -- Settled since it was put here (a status came, its time passed, it is uncertain): it is not handed over again.
    local moved, from = advance(T, conv, n, 'c')
    if not moved and from ~= 'c' then return end
    if not r[1] and r[2] ~= '' then call('HSET', T .. ':conv:' .. conv, 'fly', n) end
    call('HSET', T .. ':fly:' .. account, item, a[4] .. '|' .. lane)
    local at = #out
    out[at + 1], out[at + 2], out[at + 3] = conv, tonumber(n), r[2] or ''
    out[at + 4] = call('LINDEX', T .. ':log:' .. conv, tonumber(n) - 1) or ''
    out[at + 5] = tonumber(lane)
    room = room - 1
  end
  for lane = 0, 2 do
    if lane == 1 then room = math.min(room, tonumber(a[5]) - (#out - 1) / 5) end
    if room > 0 then
      local later = T .. ':later:' .. account .. ':' .. lane
      for _, item in ipairs(call('ZRANGEBYSCORE', later, '-inf', clock, 'LIMIT', 0, room)) do
        call('ZREM', later, item)
        take(item, lane)
      end
    end
    while room > 0 do
      local item = call('LPOP', T .. ':out:' .. account .. ':' .. lane)
      if not item then break end
      take(item, lane)
    end
  end
  return out
end

-- One answer to a send, or one receipt; a state only moves forward, so it may come twice. Answers whether it moved.
function names.settle(T, now, account, conv, n, to, pid, reason)
  local moved, from = advance(T, conv, tonumber(n), to)
  local lines
  if pid ~= '' and from ~= 'i' then
    local line = string.find(pid, '\n', 1, true)
    if line then pid, lines = string.sub(pid, 1, line - 1), string.sub(pid, line) end
    if pid ~= '' then call('HSETNX', T .. ':pid:' .. conv, n, pid) end
  end
  local lands = to ~= 'u' and (from == 'c' or from == 'u' or from == 'q')
  local r = (lands or moved) and call('HMGET', T .. ':conv:' .. conv, 'fly', 'state', 'own', 'w' .. n)
  if lands then
    land(T, account, conv, n, r)
  elseif to == 'u' and moved then
    call('ZADD', T .. ':dl', now + 10000, 'unc|' .. account .. '|' .. conv .. '.' .. n)
  end
  if moved then
    if reason ~= '' then call('HSET', T .. ':pid:' .. conv, 'f' .. n, reason) end
    if r[3] and r[3] ~= '' then tell(T, now, r[3], 'r', conv, n, to, reason) end
  end
  if lines then names.learn(T, now, account, conv, n, lines) end
  return moved
end

-- settle(now, account, then conv, n, state, provider id, reason for each) -> ok, then 1 (moved) or 0 for each
-- The answers of sends and the receipts of providers alike. A provider id may be followed by lines, name|last digits of the citizen's
-- number: what he will call it from now on.
local function settle(keys, a)
  local T, now = keys[1], now_of(a[1])
  local account, out = a[2], {'ok'}
  names.early = nil
  for i = 3, #a, 5 do out[#out + 1] = names.settle(T, now, account, a[i], a[i + 1], a[i + 2], a[i + 3], a[i + 4]) and 1 or 0 end
  return out
end

-- put_back(now, account, lease epoch, then conv, n, not_before ms for each) -> ok. Claimed, not accepted, to be claimed
-- again later: the byte stays `claimed`, the conversation keeps its turn. Items of another claim are left alone.
local function put_back(keys, a)
  local T, now = keys[1], now_of(a[1])
  local account = a[2]
  for i = 4, #a, 3 do
    local item = a[i] .. '.' .. a[i + 1]
    local epoch, lane = string.match(call('HGET', T .. ':fly:' .. account, item) or '', '^(%d+)|(%d)$')
    if epoch == a[3] and not bots.is_too_late(T, now, account, a[i], a[i + 1]) then
      call('HDEL', T .. ':fly:' .. account, item)
      call('ZADD', T .. ':later:' .. account .. ':' .. lane, a[i + 2], item)
    end
  end
  return {'ok'}
end

-- orphans(now, account, shard, lease epoch) -> lost | ok count. What an earlier owner claimed and never settled may or may
-- not have been sent: it is uncertain, and nobody sends it again but a person.
local function orphans(keys, a)
  local T, now = keys[1], now_of(a[1])
  local account = a[2]
  if not owns(T, 'acct:' .. account, a[3], a[4], now) then return {'lost'} end
  local all, count = call('HGETALL', T .. ':fly:' .. account), 0
  for i = 1, #all, 2 do
    if string.match(all[i + 1], '^%d+') ~= a[4] then
      local conv, n = string.match(all[i], '^(.+)%.(%d+)$')
      call('HDEL', T .. ':fly:' .. account, all[i])
      if advance(T, conv, tonumber(n), 'u') then
        call('ZADD', T .. ':dl', now + 10000, 'unc|' .. account .. '|' .. all[i])
        local own = call('HGET', T .. ':conv:' .. conv, 'own')
        if own and own ~= '' then tell(T, now, own, 'r', conv, n, 'u', 'owner_lost') end
        count = count + 1
      end
    end
  end
  return {'ok', count}
end

-- renew(now, account, shard, lease epoch, then conv, n for each entry that the owner holds) -> lost | ok epoch
-- For an owner who missed an answer of claim, put_back or a reply under his lease: the new epoch shuts out whatever of his is
-- still on its way; what he holds stays his, what else was claimed for him was never handed over and goes back to its lane.
-- Reads and writes: lease, fly, out.
local function renew(keys, a)
  local T, now = keys[1], now_of(a[1])
  local account = a[2]
  if not owns(T, 'acct:' .. account, a[3], a[4], now) then return {'lost'} end
  local shard, shard_epoch, epoch, till = lease_of(T, 'acct:' .. account)
  call('HSET', T .. ':lease', 'acct:' .. account, shard .. '|' .. shard_epoch .. '|' .. (epoch + 1) .. '|' .. int(till))
  local held = {}
  for i = 5, #a, 2 do held[a[i] .. '.' .. a[i + 1]] = true end
  local all = call('HGETALL', T .. ':fly:' .. account)
  for i = 1, #all, 2 do
    local under, lane = string.match(all[i + 1], '^(%d+)|(%d)$')
    if under == a[4] then
      if held[all[i]] then
        call('HSET', T .. ':fly:' .. account, all[i], (epoch + 1) .. '|' .. lane)
      elseif not bots.is_too_late(T, now, account, string.match(all[i], '^(.+)%.(%d+)$')) then
        call('HDEL', T .. ':fly:' .. account, all[i])
        call('LPUSH', T .. ':out:' .. account .. ':' .. lane, all[i])
      end
    end
  end
  return {'ok', epoch + 1}
end

redis.register_function('reply_' .. VERSION, reply)
redis.register_function('note_' .. VERSION, note)
redis.register_function('send_' .. VERSION, send)
redis.register_function('claim_' .. VERSION, claim)
redis.register_function{function_name = 'settle_' .. VERSION, callback = settle, flags = {'allow-oom'}}
redis.register_function{function_name = 'put_back_' .. VERSION, callback = put_back, flags = {'allow-oom'}}
redis.register_function{function_name = 'renew_' .. VERSION, callback = renew, flags = {'allow-oom'}}
redis.register_function{function_name = 'orphans_' .. VERSION, callback = orphans, flags = {'allow-oom'}}
