-- Reading, in one call each: what a desk needs to draw itself.

local CARD = {'state', 'gen', 'own', 'q', 'ch', 'acct', 'contact', 'nm', 'first', 'win', 'n', 'given', 'last', 'addr', 'open', 'why',
  'eff', 'inv', 'into', 'prev', 'fr', 'una', 'closed', 'ho', 'at', 'ans'}

-- One conversation: id, the fields of CARD in order, then its last entry.
local function card_of(T, conv)
  local r = call('HMGET', T .. ':conv:' .. conv, unpack(CARD))
  if not r[1] then return nil end
  local out = {conv}
  for i = 1, #CARD do out[i + 1] = r[i] or '' end
  out[#out + 1] = call('LINDEX', T .. ':log:' .. conv, -1) or ''
  return out
end

-- card(conv ...) -> for each: its card, or an empty array
local function card(keys, a)
  local out = {}
  for i = 1, #a do out[i] = card_of(keys[1], a[i]) or {} end
  return out
end

-- desk(agent) -> missing | ok, seq, availability, reason, name, roles, queues, then the cards of what he holds, and of what he is
-- invited to take over (200 at most)
local function desk(keys, a)
  local T, agent = keys[1], a[1]
  local r = call('HMGET', T .. ':agent:' .. agent, 'seq', 'avail', 'reason', 'name', 'roles', 'queues')
  if not r[2] then return {'missing'} end
  local out = {'ok', tonumber(r[1] or 0), r[2], r[3] or '', r[4] or '', r[5] or '', r[6] or ''}
  local held = call('SUNION', T .. ':agentc:' .. agent, T .. ':inv:' .. agent)
  for i = 1, math.min(#held, 200) do
    local c = card_of(T, held[i])
    if c then out[#out + 1] = c end
  end
  return out
end

-- replay(now, agent, after) -> reset seq | ok seq, then the lines after it. 500 events and 24 h are kept.
local function replay(keys, a)
  local T, now, agent, after = keys[1], now_of(a[1]), a[2], tonumber(a[3])
  local seq = tonumber(call('HGET', T .. ':agent:' .. agent, 'seq') or 0)
  if after > seq or seq - after > 500 then return {'reset', seq} end
  local out = {'ok', seq}
  if after == seq then return out end
  local lines = call('LRANGE', T .. ':replay:' .. agent, after - seq, -1)
  if #lines < seq - after then return {'reset', seq} end
  local ms = tonumber(string.match(lines[1], '^[^|]*|[^|]*|[^|]*|[^|]*|[^|]*|(%d+)'))
  if now - ms > 86400000 then return {'reset', seq} end
  for i = 1, #lines do out[#out + 1] = lines[i] end
  return out
end

-- entries(conv, n ...) -> for each: state byte, entry, provider's id, reason   (an absent entry is four empty strings)
local function entries(keys, a)
  local T, conv, out = keys[1], a[1], {}
  for i = 2, #a do
    local n = tonumber(a[i])
    local pid = call('HMGET', T .. ':pid:' .. conv, n, 'f' .. n, 'm' .. n)
    local at = #out
    local entry = call('LINDEX', T .. ':log:' .. conv, n - 1)
    out[at + 1] = entry and known_byte(call('GETRANGE', T .. ':st:' .. conv, n - 1, n - 1)) or ''
    out[at + 2] = entry or ''
    out[at + 3], out[at + 4] = pid[1] or '', pid[2] or pid[3] or ''
  end
  return out
end

-- page(conv, after n, limit) -> first n, total, then state byte, entry, provider's id, reason for each
local function page(keys, a)
  local T, conv, after, limit = keys[1], a[1], tonumber(a[2]), tonumber(a[3])
  local log = call('LRANGE', T .. ':log:' .. conv, after, after + limit - 1)
  local bytes = call('GETRANGE', T .. ':st:' .. conv, after, after + limit - 1)
  local out = {after + 1, call('LLEN', T .. ':log:' .. conv)}
  for i = 1, #log do
    local n = after + i
    local pid = call('HMGET', T .. ':pid:' .. conv, n, 'f' .. n, 'm' .. n)
    local at = #out
    out[at + 1], out[at + 2], out[at + 3], out[at + 4] = known_byte(string.sub(bytes, i, i)), log[i], pid[1] or '', pid[2] or pid[3] or ''
  end
  return out
end

-- conversations(after id, limit) -> cards in order of id, then, last, the id to go on after (0: no more). Reads at most 1,000 ids.
local function conversations(keys, a)
  local T, at, limit = keys[1], tonumber(a[1]), tonumber(a[2])
  local last, out, tried = tonumber(call('GET', T .. ':seq') or 0), {}, 0
  while at < last and #out < limit and tried < 1000 do
    at, tried = at + 1, tried + 1
    local c = card_of(T, tostring(at))
    if c then out[#out + 1] = c end
  end
  out[#out + 1] = at < last and at or 0
  return out
end

-- snapshot() -> the stream's last id, the queues as a flat array, the routes: what a mirror starts from. Then page by page, for one call that
-- reads a hundred thousand would stand before everybody for a second:
-- snapshot('agents', cursor) and snapshot('waiting', cursor, queue) -> the next cursor ('0': that was all), then a flat array
-- agents: id avail ses load cap gen last queues skills bot; waiting: conv gen queue eff weight excl since sticky failures
-- queues: id mode offer_ms wrap_ms name priority sticky_ms skills steps hours zone emergency weights sla
-- What is there all the while is in some page, or in two; what changes meanwhile stands in the stream after that id.
local PAGE = '200'
local AGENT = {'avail', 'ses', 'load', 'cap', 'gen', 'last', 'queues', 'skills', 'bot'}
local QUEUE = {'mode', 'offer_ms', 'wrap_ms', 'name', 'priority', 'sticky_ms', 'skills', 'steps', 'hours', 'zone', 'emergency', 'weights', 'sla'}

local function append_row(out, id, r, size)
  local at = #out + 1
  out[at] = id
  for i = 1, size do out[at + i] = r[i] or '' end
end

local function snapshot(keys, a)
  local T, out = keys[1], {}
  if a[1] == 'agents' then
    local found = call('SSCAN', T .. ':agents', a[2], 'COUNT', PAGE)
    for _, id in ipairs(found[2]) do append_row(out, id, call('HMGET', T .. ':agent:' .. id, unpack(AGENT)), #AGENT) end
    return {found[1], out}
  elseif a[1] == 'waiting' then
    local found = call('ZSCAN', T .. ':q:' .. a[3], a[2], 'COUNT', PAGE)
    for i = 1, #found[2], 2 do
      local conv = found[2][i]
      local c = call('HMGET', T .. ':conv:' .. conv, 'gen', 'eff', 'wt', 'excl', 'enq', 'first', 'stk', 'nf')
      append_row(out, conv, {c[1], a[3], c[2], c[3], c[4], c[5] or c[6], c[7], c[8]}, 8)
    end
    return {found[1], out}
  end
  local last = call('XREVRANGE', T .. ':ev', '+', '-', 'COUNT', 1)
  for _, q in ipairs(call('SMEMBERS', T .. ':queues')) do append_row(out, q, call('HMGET', T .. ':queue:' .. q, unpack(QUEUE)), #QUEUE) end
  return {#last > 0 and last[1][1] or '0-0', out, call('GET', T .. ':routes') or ''}
end

redis.register_function{function_name = 'card_' .. VERSION, callback = card, flags = {'no-writes'}}
redis.register_function{function_name = 'desk_' .. VERSION, callback = desk, flags = {'no-writes'}}
redis.register_function{function_name = 'replay_' .. VERSION, callback = replay, flags = {'no-writes'}}
redis.register_function{function_name = 'entries_' .. VERSION, callback = entries, flags = {'no-writes'}}
redis.register_function{function_name = 'page_' .. VERSION, callback = page, flags = {'no-writes'}}
redis.register_function{function_name = 'conversations_' .. VERSION, callback = conversations, flags = {'no-writes'}}
redis.register_function{function_name = 'snapshot_' .. VERSION, callback = snapshot, flags = {'no-writes'}}
