-- What supervisors, programs and the house direct, whoever has the conversation. Each transition of it says `by` whom.

-- Whether this agent is there and has room, whatever his availability: a supervisor takes over while paused.
local function has_room(T, agent, weight)
  local r = call('HMGET', T .. ':agent:' .. agent, 'ses', 'load', 'cap', 'bot')
  return r[4] ~= '1' and tonumber(r[1] or 0) > 0 and tonumber(r[2] or 0) + weight <= tonumber(r[3] or 0)
end

local function is_queue(T, queue) return call('EXISTS', T .. ':queue:' .. queue) == 1 end

-- One verb each: (T, now, conv, c, target, ttl_ms) -> the answer.
local verbs = {}

-- To `target` at once, or as an offer, from wherever it is.
local function hand_to(T, now, conv, c, target, ttl, at_once)
  if c.own == target and c.state == 'active' then return {'refused', 'same_agent'} end
  local more = tonumber(c.base) - (c.own == target and tonumber(c.wt) or 0)
  local able
  if at_once then able = has_room(T, target, more) else able = can_take(T, target, more) end
  if not able then return {'refused', 'not_ready'} end
  requeue(T, now, conv, c, 'directed', false)
  call('ZREM', T .. ':q:' .. c.q, conv)
  local gen, state = give(T, now, conv, tonumber(c.gen) + 1, target, tonumber(c.base), c.q, ttl, at_once, 'directed')
  return {'ok', gen, state}
end
function verbs.take(T, now, conv, c, target) return hand_to(T, now, conv, c, target, 0, true) end
function verbs.assign(T, now, conv, c, target, ttl) return hand_to(T, now, conv, c, target, ttl, false) end

function verbs.requeue(T, now, conv, c, target)
  if target == '' then target = c.q end
  if target == c.q and c.state == 'queued' then return {'refused', 'same_queue'} end
  if not is_queue(T, target) then return {'refused', 'no_queue'} end
  if target ~= c.q then
    leave_line(T, conv, c)
    c.state, c.q = c.own and c.own ~= '' and c.state or 'moving', target
    call('HSET', T .. ':conv:' .. conv, 'q', target)
  end
  return {'ok', requeue(T, now, conv, c, 'directed', c.own and c.own ~= ''), 'queued'}
end

function verbs.close(T, now, conv, c, target) return {'ok', shut(T, now, conv, c, target), 'closed'} end

-- Minutes by which it counts as older than it is: another place among those that wait.
function verbs.priority(T, now, conv, c, target)
  if c.state ~= 'queued' then return {'refused', 'not_waiting'} end
  local gen = tonumber(c.gen) + 1
  local arrived = call('HGET', T .. ':conv:' .. conv, 'arr') or c.first
  local eff = int(tonumber(arrived) - 60000 * tonumber(target))
  call('HSET', T .. ':conv:' .. conv, 'eff', eff, 'gen', gen)
  call('ZADD', T .. ':q:' .. c.q, eff, conv)
  transition(T, now, 'prioritised', conv, gen, '', c.q, {'e', eff})
  return {'ok', gen, c.state}
end

-- A closed one waits again, behind those who wait already; who had it goes first.
function verbs.reopen(T, now, conv, c, target)
  if target == '' then target = c.q end
  if not is_queue(T, target) then return {'refused', 'no_queue'} end
  local ck, contact, here = T .. ':conv:' .. conv, T .. ':contact:' .. c.contact, 'v:' .. c.acct
  if call('HEXISTS', contact, here) == 1 then return {'refused', 'other_open'} end
  local gen, sticky = tonumber(c.gen) + 1, c.own or ''
  call('HDEL', ck, 'closed', 'why', 'code', 'nf')
  call('HSET', ck, 'state', 'queued', 'gen', gen, 'own', '', 'q', target, 'wt', c.base, 'eff', clock, 'arr', clock, 'enq', clock, 'excl', '', 'stk', sticky)
  call('ZREM', T .. ':closed', conv)
  call('HSET', contact, here, conv)
  call('HSET', T .. ':addr:' .. call('HGET', ck, 'addr'), here, conv)
  call('ZADD', T .. ':q:' .. target, clock, conv)
  transition(T, now, 'queued', conv, gen, '', target, {'e', clock, 'w', c.base, 'y', sticky, 'x', 'reopened'})
  return {'ok', gen, 'queued'}
end

-- What he writes where `conv` is answered comes into `into`; elsewhere: which is answered at another place.
local function lead(T, conv, account, into, elsewhere)
  call('HSET', T .. ':addr:' .. call('HGET', T .. ':conv:' .. conv, 'addr'), 'v:' .. account, elsewhere and into .. '+' or into)
end

-- Into another open conversation of the same citizen: this one ends, and says where it went on. What he writes next from here goes
-- on there; it is answered where that one is.
function verbs.merge(T, now, conv, c, target)
  local r = call('HMGET', T .. ':conv:' .. target, 'state', 'contact', 'acct', 'addr')
  if not r[1] or r[1] == 'closed' or r[1] == 'sends' or target == conv then return {'refused', 'not_open'} end
  if r[2] ~= c.contact and root_of(T, r[2]) ~= root_of(T, c.contact) then return {'refused', 'other_contact'} end
  call('HSET', T .. ':conv:' .. conv, 'into', target)
  local gen = shut(T, now, conv, c, 'merged')
  local same = r[3] == c.acct and r[2] == c.contact
  if same then call('HSET', T .. ':contact:' .. c.contact, 'v:' .. c.acct, target) end
  lead(T, conv, c.acct, target, not same)
  return {'ok', gen, 'closed'}
end

-- What is said of it, `queue|attributes`, and the queue that its routes name for that, or ''. It goes there unless a person has it.
function verbs.describe(T, now, conv, c, target)
  local queue, attributes = string.match(target, '^([^|]*)|(.*)$')
  call('HSET', T .. ':conv:' .. conv, 'at', attributes)
  if queue == '' or queue == c.q or not is_queue(T, queue) then return {'ok', tonumber(c.gen), c.state} end
  if c.state == 'queued' or c.state == 'after_hours' then return verbs.requeue(T, now, conv, c, queue) end
  if c.state == 'bot' then call('HSET', T .. ':conv:' .. conv, 'q', queue) end
  return {'ok', tonumber(c.gen), c.state}
end

-- It goes on at another address of the same citizen, `account|channel|address`. What he writes where it was still comes into it.
function verbs.switch(T, now, conv, c, target)
  if c.state ~= 'active' and c.state ~= 'queued' then return {'refused', 'not_active'} end
  local account, channel, address = string.match(target, '^([^|]*)|([^|]*)|(.*)$')
  local ck, addr, here = T .. ':conv:' .. conv, T .. ':addr:' .. address, 'v:' .. account
  local r, was = call('HMGET', addr, 'c', here, 'w:' .. account), call('HMGET', ck, 'addr', 'win', 'fly')
  if account == c.acct and address == was[1] then return {'refused', 'same_address'} end
  if not r[1] or (r[1] ~= c.contact and root_of(T, r[1]) ~= root_of(T, c.contact)) then return {'refused', 'not_his'} end
  if was[3] then return {'refused', 'sending'} end
  local there, till = string.match(r[2] or '', '^%d*'), r[3] or '0'
  local open = {there}
  for _, contact in ipairs({c.contact, r[1]}) do open[#open + 1] = call('HGET', T .. ':contact:' .. contact, here) or '' end
  for _, other in ipairs(open) do
    if other ~= '' and other ~= conv then
      local o = call('HMGET', T .. ':conv:' .. other, 'state', 'win')
      if o[1] and o[1] ~= 'closed' then return {'refused', 'other_open'} end
      if other == there and not r[3] then till = o[2] or '0' end
    end
  end
  local gen, contact = tonumber(c.gen) + 1, T .. ':contact:' .. c.contact
  disinvite(T, now, conv, c, gen, 'switched')
  lead(T, conv, c.acct, conv, true)
  call('HSET', T .. ':addr:' .. was[1], 'w:' .. c.acct, was[2])
  if call('HGET', contact, 'v:' .. c.acct) == conv then call('HDEL', contact, 'v:' .. c.acct) end
  call('HSET', contact, here, conv)
  call('HSET', addr, here, conv)
  call('HDEL', addr, 'w:' .. account)
  call('HSET', ck, 'gen', gen, 'acct', account, 'ch', channel, 'addr', address, 'win', till)
  if c.state == 'active' then tell(T, now, c.own, 'c', conv, gen, 'active', 'switched') end
  transition(T, now, 'switched', conv, gen, c.own, c.q, {'x', account})
  return {'ok', gen, c.state}
end

-- direct(now, conv, gen or '' (whatever it is), verb, target, by, agent or '', ttl_ms, client_id)
-- -> ok gen state | stale gen state owner | refused why | missing | repeat ...   With an agent, only what is his own.
local function direct(keys, a)
  local T, now = keys[1], now_of(a[1])
  local c = read(T, a[2])
  if not c or c.state == 'sends' then return {'missing'} end
  local of_closed = a[4] == 'reopen'
  if (a[3] ~= '' and c.gen ~= a[3]) or (c.state == 'closed') ~= of_closed or (a[7] ~= '' and c.own ~= a[7]) then
    return stale(c.gen, c.state, c.own)
  end
  actor = a[6]
  local ok, answer = pcall(verbs[a[4]], T, now, a[2], c, a[5], tonumber(a[8]))
  actor = ''
  if not ok then error(answer) end
  return answer
end

-- Repeated under its client_id, it answers what came of it.
local function direct_once(keys, a)
  if a[9] == '' then return direct(keys, a) end
  local key = keys[1] .. ':cid:' .. a[6] .. ':' .. a[9]
  local before = call('GET', key)
  if before then return {'repeat', string.match(before, '^(.+)%.%d+$'), 0} end
  local reply = direct(keys, a)
  if reply[1] == 'ok' then call('SET', key, a[2] .. '.0', 'PX', 86400000) end
  return reply
end

redis.register_function{function_name = 'direct_' .. VERSION, callback = direct_once, flags = {'allow-oom'}}
